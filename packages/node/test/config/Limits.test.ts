import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { itTells, parse, text } from "./support.ts"

describe("limits in a configuration", () => {
  it.effect("are those of every key, of a key of its own and of a team", () =>
    Effect.gen(function* () {
      const configuration = yield* parse(
        text({
          key: "key: client-1, team: research, limits: { requests_per_minute: 600, batch_lines_per_day: 50000 }",
          more: `limits:
  key: { requests_per_minute: 60, upload_bytes_per_day: 10GB, files_per_day: 1000 }
  teams:
    research: { upload_bytes_per_day: 1TiB }
server: { max_upload_size: 1GiB }
`
        })
      )
      const nothing = { requests: undefined, uploadBytes: undefined, files: undefined, batchLines: undefined }
      assert.deepStrictEqual(configuration.keys[0]?.limits, { ...nothing, requests: 600, batchLines: 50_000 })
      assert.deepStrictEqual(configuration.limits, {
        everyKey: { ...nothing, requests: 60, uploadBytes: 10_000_000_000, files: 1_000 },
        teams: new Map([["research", { ...nothing, uploadBytes: 1_099_511_627_776 }]])
      })
      assert.deepStrictEqual(configuration.files, { maxUploadSize: 1_073_741_824 })
    })
  )

  itTells({
    title: "are told when they are wrong, or of a team that no key has",
    yaml: text({
      key: "key: client-1, team: research, limits: { requests_per_minute: 0 }",
      more: `limits:
  key: { files_per_day: many, requests_per_second: 1 }
  teams:
    reserch: { upload_bytes_per_day: 1 }
`
    }),
    problems: [
      "6:69 keys[0].limits.requests_per_minute: must be a whole number from 1 to 1000000000000",
      "8:25 limits.key.files_per_day: must be a whole number from 1 to 1000000000000",
      "8:31 limits.key.requests_per_second: is not a known field; known: requests_per_minute, " +
        "upload_bytes_per_day, files_per_day, batch_lines_per_day",
      "10:5 limits.teams.reserch: is not the team of a key; did you mean research?"
    ]
  })
})
