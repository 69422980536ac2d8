import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { inspect } from "node:util"
import { itTells, parse, text } from "./support.ts"

describe("webhooks in a configuration", () => {
  it.effect("are told all events or some, and make an outbox necessary", () =>
    Effect.gen(function* () {
      const { files } = yield* parse(
        text({
          more: `usage: false
webhooks:
  - { url: "https://a.example/hooks?token=t", secret: "a shared secret of some length" }
  - { url: "http://b.example", secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", events: [file.ready, "batch.*"] }
`
        })
      )
      assert.isFalse(files.usage)
      assert.isTrue(files.events?.outbox)
      const webhooks = files.events?.webhooks.map((webhook) => ({ ...webhook, secret: Redacted.value(webhook.secret) }))
      assert.deepStrictEqual(webhooks, [
        { url: "https://a.example/hooks?token=t", secret: "a shared secret of some length", events: [] },
        {
          url: "http://b.example/",
          secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
          events: ["file.ready", "batch.*"]
        }
      ])
      assert.notInclude(inspect(files, { depth: 9 }), "a shared secret")
    })
  )

  itTells({
    title: "are told when they are malformed",
    yaml: text({
      more: `webhooks:
  - { url: "ftp://a.example", secret: short, events: [file.reddy] }
  - { url: "https://user:pass@a.example" }
`
    }),
    problems: [
      "8:12 webhooks[0].url: must be an http or https URL",
      "8:39 webhooks[0].secret: must have at least 16 characters",
      "8:55 webhooks[0].events[0]: is not an event; did you mean file.ready?",
      "9:5 webhooks[1].secret: is required",
      "9:12 webhooks[1].url: must not hold a user or a password"
    ]
  })
})
