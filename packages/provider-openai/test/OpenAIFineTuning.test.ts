import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { fineTuning } from "../src/OpenAIFineTuning.ts"

const job = {
  object: "fine_tuning.job",
  id: "ftjob-1",
  status: "succeeded",
  created_at: 1_700_000_000,
  training_file: "file-1",
  validation_file: null,
  result_files: ["file-2", "file-3"],
  trained_tokens: 12,
  metadata: { team: "x", count: 1 },
  a_new_field: { kept: true }
}

describe("OpenAIFineTuning", () => {
  it("writes each call", () => {
    const create = fineTuning.create({ model: "m" })
    assert.deepInclude(create, { method: "POST", path: "/fine_tuning/jobs", idempotent: false })
    assert.instanceOf(create.body, Uint8Array)
    assert.strictEqual(new TextDecoder().decode(create.body as Uint8Array), '{"model":"m"}')
    const calls = [
      fineTuning.retrieve("ft/1"),
      fineTuning.cancel("ft/1"),
      fineTuning.pause("ft/1"),
      fineTuning.resume("ft/1"),
      fineTuning.events("ft/1", ""),
      fineTuning.checkpoints("ft/1", "limit=2&after=x"),
      fineTuning.list(null),
      fineTuning.list("ft/1")
    ]
    assert.deepStrictEqual(
      calls.map(({ idempotent, method, path }) => `${method} ${path} ${idempotent}`),
      [
        "GET /fine_tuning/jobs/ft%2F1 true",
        "POST /fine_tuning/jobs/ft%2F1/cancel false",
        "POST /fine_tuning/jobs/ft%2F1/pause false",
        "POST /fine_tuning/jobs/ft%2F1/resume false",
        "GET /fine_tuning/jobs/ft%2F1/events true",
        "GET /fine_tuning/jobs/ft%2F1/checkpoints?limit=2&after=x true",
        "GET /fine_tuning/jobs?limit=100 true",
        "GET /fine_tuning/jobs?limit=100&after=ft%2F1 true"
      ]
    )
  })

  it("reads a job and keeps its object as it came", () => {
    const remote = Result.getOrThrow(fineTuning.decode(job))
    assert.strictEqual(remote.object, job)
    assert.isTrue(remote.ended)
    assert.strictEqual(remote.createdAt, 1_700_000_000_000)
    assert.deepStrictEqual(remote.inputs, [{ field: "training_file", remoteId: "file-1" }])
    assert.deepStrictEqual(remote.outputs, [
      { role: "result_files[0]", remoteId: "file-2", purpose: "fine-tune-results" },
      { role: "result_files[1]", remoteId: "file-3", purpose: "fine-tune-results" }
    ])
    assert.deepStrictEqual(remote.metadata, { team: "x" })
    assert.deepInclude(remote.tokens, { input: 12, output: 0 })
  })

  it.each(["paused", "a status of tomorrow", null, undefined])(
    "reads what vendors leave out, and takes the status %s for one of a job that goes on",
    (status) => {
      const body = { id: "ftjob-1", metadata: null, ...(status === undefined ? {} : { status }) }
      const remote = Result.getOrThrow(fineTuning.decode(body))
      assert.deepInclude(remote, { ended: false, createdAt: null, tokens: null })
      assert.deepStrictEqual([remote.inputs, remote.outputs, remote.metadata] as ReadonlyArray<unknown>, [[], [], {}])
    }
  )

  it.each([null, [], "job", {}, { id: "", status: "queued" }])("refuses %j", (body) => {
    assert.isTrue(Result.isFailure(fineTuning.decode(body)))
    assert.deepStrictEqual(Result.getOrThrow(fineTuning.decodePage({ data: [body] })).jobs, [])
    assert.isTrue(Result.isFailure(fineTuning.decodePage(body)))
  })

  it("tells where the next page begins, if there is one", () => {
    const data = [job, { ...job, id: "ftjob-0" }]
    assert.strictEqual(Result.getOrThrow(fineTuning.decodePage({ data, has_more: true })).next, "ftjob-0")
    assert.strictEqual(Result.getOrThrow(fineTuning.decodePage({ data })).next, null)
  })
})
