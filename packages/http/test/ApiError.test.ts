import { assert, describe, it } from "@effect/vitest"
import * as CallError from "@omnifile/core/CallError"
import * as StorageError from "@omnifile/core/StorageError"
import * as ApiError from "../src/ApiError.ts"

const storage = (reason: StorageError.Reason) => StorageError.of("sqlite")("read", reason)
const failure = (timedOut: boolean) => new CallError.AccountFailure({ account: "main", message: "failed", timedOut })
const providersFailed = (...timedOut: ReadonlyArray<boolean>) =>
  new CallError.ProvidersFailed({ message: "main failed", failures: timedOut.map(failure) })

const table: ReadonlyArray<readonly [CallError.CallError, status: number, param: string | null, code: string | null]> =
  [
    [CallError.invalid("no", "purpose", "invalid_value"), 400, "purpose", "invalid_value"],
    [new CallError.Unauthenticated({ message: "no" }), 401, null, "invalid_api_key"],
    [new CallError.Forbidden({ message: "no" }), 403, null, "forbidden"],
    [new CallError.NotFound({ id: "file-1", param: null }), 404, "id", null],
    [new CallError.NotFound({ id: "file-1", param: "messages[0]" }), 404, "messages[0]", null],
    [new CallError.ModelNotFound({ model: "m" }), 404, "model", "model_not_found"],
    [new CallError.ContentUnavailable({ id: "file-1", message: "gone" }), 410, null, "content_unavailable"],
    [new CallError.RangeNotSatisfiable({ bytes: 5 }), 416, null, "range_not_satisfiable"],
    [new CallError.Conflicting({ message: "no", code: "in_use" }), 409, null, "in_use"],
    [new CallError.TooLarge({ message: "no", param: "file" }), 413, "file", "too_large"],
    [new CallError.UnsupportedMediaType({ message: "no" }), 415, null, "unsupported_media_type"],
    [new CallError.RateLimited({ message: "no", retryAfter: 1_500 }), 429, null, "rate_limit_exceeded"],
    [providersFailed(false, true), 502, null, "provider_error"],
    [providersFailed(true, true), 504, null, "provider_timeout"],
    [providersFailed(), 502, null, "provider_error"],
    [storage(new StorageError.Unavailable({ cause: "x" })), 503, null, "storage_unavailable"],
    [storage(new StorageError.Conflict({ key: "k" })), 503, null, "storage_unavailable"],
    [storage(new StorageError.SourceFailed({ key: "k", cause: "x" })), 503, null, "storage_unavailable"],
    [storage(new StorageError.Missing({ key: "k" })), 500, null, "internal_error"],
    [storage(new StorageError.Corrupt({ key: "k", cause: "x" })), 500, null, "internal_error"]
  ]

describe("ApiError", () => {
  for (const [error, status, param, code] of table) {
    it(`${error._tag} is ${status} ${code ?? ""}`, () => {
      const answer = ApiError.describe(error)
      assert.deepStrictEqual([answer.status, answer.param, answer.code], [status, param, code])
    })
  }

  it("passes a provider's refusal on in its own words", () => {
    const refused = { account: "main", status: 422, message: "bad", type: "t", param: "p", code: "c" }
    const { headers, ...answer } = ApiError.describe(new CallError.ProviderRefused(refused))
    assert.deepStrictEqual(answer, { status: 422, message: "bad", type: "t", param: "p", code: "c" })
    assert.isUndefined(headers)
  })

  it("says how long to wait, in whole seconds, at least one", () => {
    const wait = (retryAfter: number | null) =>
      ApiError.describe(new CallError.RateLimited({ message: "no", retryAfter })).headers?.["retry-after"]
    assert.deepStrictEqual([wait(1_500), wait(0), wait(null)], ["2", "1", "1"])
  })

  it("tells nothing of a storage failure's cause", () => {
    const { message } = ApiError.describe(storage(new StorageError.Unavailable({ cause: new Error("/secret/path") })))
    assert.notInclude(message, "secret")
  })

  it("answers with real nulls", async () => {
    const { body } = ApiError.respond(ApiError.internal)
    assert(body._tag === "Uint8Array")
    assert.deepStrictEqual(JSON.parse(new TextDecoder().decode(body.body)), {
      error: { message: ApiError.internal.message, type: "server_error", param: null, code: "internal_error" }
    })
  })
})
