import { assert, describe, it } from "@effect/vitest"
import type { JsonObject } from "@omnifile/core/Json"
import * as Effect from "effect/Effect"
import * as UploadBody from "../src/UploadBody.ts"

const complete: JsonObject = { filename: "a.jsonl", bytes: 10, mime_type: "application/jsonl", purpose: "batch" }

const without = (name: string): JsonObject =>
  Object.fromEntries(Object.entries(complete).filter(([key]) => key !== name))

describe("UploadBody.parseCreate", () => {
  it.effect("takes what the client means", () =>
    Effect.gen(function* () {
      const expires_after = { anchor: "created_at", seconds: 3_600 }
      const body = {
        ...complete,
        filename: "x/a.jsonl",
        expires_after,
        target_model_names: ["one", "two,one"],
        more: 1
      }
      assert.deepStrictEqual(yield* UploadBody.parseCreate(body, "key"), {
        _tag: "CreateUpload",
        filename: "a.jsonl",
        bytes: 10,
        mimeType: "application/jsonl",
        purpose: "batch",
        models: ["one", "two"],
        expiresAfter: 3_600,
        idempotencyKey: "key"
      })
    })
  )

  it.effect("takes null for what is absent, and a list of models as text", () =>
    Effect.gen(function* () {
      const body = { ...complete, expires_after: null, target_model_names: " one , two" }
      const operation = yield* UploadBody.parseCreate(body, null)
      assert.deepStrictEqual(operation.models, ["one", "two"])
      assert.isNull(operation.expiresAfter)
    })
  )

  const refused: ReadonlyArray<readonly [body: JsonObject, param: string]> = [
    ...Object.keys(complete).map((name) => [without(name), name] as const),
    ...Object.keys(complete).map((name) => [{ ...complete, [name]: null }, name] as const),
    ...Object.keys(complete).map((name) => [{ ...complete, [name]: {} }, name] as const),
    [{ ...complete, bytes: 0 }, "bytes"],
    [{ ...complete, bytes: -1 }, "bytes"],
    [{ ...complete, bytes: 1.5 }, "bytes"],
    [{ ...complete, bytes: "10" }, "bytes"],
    [{ ...complete, bytes: 1e300 }, "bytes"],
    [{ ...complete, filename: ".." }, "filename"],
    [{ ...complete, filename: "a\nb" }, "filename"],
    [{ ...complete, purpose: "batch_output" }, "purpose"],
    [{ ...complete, target_model_names: [1] }, "target_model_names"],
    [{ ...complete, target_model_names: {} }, "target_model_names"],
    [{ ...complete, expires_after: 3_600 }, "expires_after"],
    [{ ...complete, expires_after: [] }, "expires_after"],
    [{ ...complete, expires_after: {} }, "expires_after[anchor]"],
    [{ ...complete, expires_after: { anchor: "created_at" } }, "expires_after[seconds]"],
    [{ ...complete, expires_after: { anchor: "now", seconds: 3_600 } }, "expires_after[anchor]"],
    [{ ...complete, expires_after: { anchor: "created_at", seconds: 3_599 } }, "expires_after[seconds]"],
    [{ ...complete, expires_after: { anchor: "created_at", seconds: 3_600.5 } }, "expires_after[seconds]"]
  ]
  for (const [body, param] of refused) {
    it.effect(`refuses ${JSON.stringify(body)} naming ${param}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(UploadBody.parseCreate(body, null))
        assert.strictEqual(error.param, param)
      })
    )
  }
})

describe("UploadBody.parseComplete", () => {
  it.effect("takes parts in their order, and a checksum in either case", () =>
    Effect.gen(function* () {
      const body = { part_ids: ["part_b", "part_a"], md5: "D41D8CD98F00B204E9800998ECF8427E" }
      assert.deepStrictEqual(yield* UploadBody.parseComplete(body, "upload_a"), {
        _tag: "CompleteUpload",
        id: "upload_a",
        parts: ["part_b", "part_a"],
        md5: "d41d8cd98f00b204e9800998ecf8427e"
      })
      assert.isNull((yield* UploadBody.parseComplete({ part_ids: ["part_a"], md5: null }, "upload_a")).md5)
    })
  )

  const refused: ReadonlyArray<readonly [body: JsonObject, param: string]> = [
    [{}, "part_ids"],
    [{ part_ids: null }, "part_ids"],
    [{ part_ids: [] }, "part_ids"],
    [{ part_ids: "part_a" }, "part_ids"],
    [{ part_ids: [1] }, "part_ids"],
    [{ part_ids: ["part_a"], md5: "abc" }, "md5"],
    [{ part_ids: ["part_a"], md5: 1 }, "md5"]
  ]
  for (const [body, param] of refused) {
    it.effect(`refuses ${JSON.stringify(body)} naming ${param}`, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(UploadBody.parseComplete(body, "upload_a"))).param, param)
      })
    )
  }
})
