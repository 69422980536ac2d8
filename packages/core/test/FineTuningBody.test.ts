import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as FineTuningBody from "../src/FineTuningBody.ts"
import type { JsonObject } from "../src/Json.ts"

const body: JsonObject = { model: "small", training_file: "file-a", validation_file: "file-b", suffix: "mine", seed: 7 }

describe("FineTuningBody", () => {
  it("reads model and files, each with its field", () => {
    const operation = Result.getOrThrow(FineTuningBody.parse(body, "key"))
    assert.strictEqual(operation.model, "small")
    assert.deepStrictEqual(operation.files, [
      { id: "file-a", param: "training_file" },
      { id: "file-b", param: "validation_file" }
    ])
    assert.strictEqual(operation.idempotencyKey, "key")
  })

  it("takes a null validation file for none", () => {
    const operation = Result.getOrThrow(FineTuningBody.parse({ ...body, validation_file: null }, null))
    assert.deepStrictEqual(operation.files, [{ id: "file-a", param: "training_file" }])
  })

  it.each<readonly [param: string, body: JsonObject]>([
    ["model", {}],
    ["model", { ...body, model: 1 }],
    ["model", { ...body, model: "" }],
    ["training_file", { model: "small" }],
    ["training_file", { ...body, training_file: null }],
    ["training_file", { ...body, training_file: ["file-a"] }],
    ["validation_file", { ...body, validation_file: {} }],
    ["validation_file", { ...body, validation_file: "" }],
    ["metadata", { ...body, metadata: "none" }],
    ["metadata", { ...body, metadata: { omnifile_job: "of somebody else" } }]
  ])("names %s when it is wrong", (param, wrong) => {
    const result = FineTuningBody.parse(wrong, null)
    assert.ok(Result.isFailure(result))
    assert.strictEqual(result.failure.param, param)
  })
})
