import { assert, it } from "@effect/vitest"
import * as Bytes from "@omnifile/core/Bytes"
import { ruleFor } from "@omnifile/core/FileCapabilities"
import * as Result from "effect/Result"
import { xai } from "../src/Xai.ts"
import { batches } from "../src/XaiBatches.ts"

it("the life of a file is one number of seconds, and comes before the file", async () => {
  const step = xai.files?.create({
    filename: "a.pdf",
    contentType: "application/pdf",
    mediaType: "application/pdf",
    purpose: "user_data",
    bytes: Bytes.fromArray(new TextEncoder().encode("hello")),
    length: 5,
    expiresAfter: 3_600,
    nonce: "0123"
  })
  assert(step?._tag === "Call" && step.call.body !== null && !(step.call.body instanceof Uint8Array))
  const body = new TextDecoder().decode(await Bytes.collect(step.call.body.bytes))
  assert.deepStrictEqual(
    [...body.matchAll(/; name="([^"]+)"/g)].map(([, name]) => name),
    ["purpose", "expires_after", "file"]
  )
  assert.include(body, 'name="expires_after"\r\n\r\n3600\r\n')
})

it("calls name files in responses only, and have no others within them than images", () => {
  const { chat, responses } = xai.capabilities
  const isThere = ({ inline, reference }: typeof chat, type: string) => [
    ruleFor(reference, type) !== undefined,
    ruleFor(inline, type) !== undefined
  ]
  assert.deepStrictEqual(isThere(chat, "application/pdf"), [false, false])
  assert.deepStrictEqual(isThere(chat, "image/png"), [false, true])
  assert.deepStrictEqual(isThere(responses, "application/pdf"), [true, false])
  assert.deepStrictEqual(isThere(responses, "image/png"), [true, true])
})

it("a wrong key is known by its words, and errors are texts", () => {
  const body = { code: "Client specified an invalid argument", error: "Incorrect API key provided: x." }
  const refusal = xai.decodeRefusal(body, { status: 400, call: "files.create" })
  assert.deepInclude(refusal, { message: "Incorrect API key provided: x.", meaning: "credentials" })
})

it("lists go on with a token, where there is one", () => {
  const { decodePage, list } = xai.files ?? assert.fail("no files")
  assert.strictEqual(list(null).path, "/files?order=desc&limit=100")
  const next = (page: object): string | null =>
    Result.getOrThrow(decodePage({ data: [{ id: "file_1" }], ...page }, null)).next
  assert.deepStrictEqual(
    [next({}), next({ pagination_token: "" }), next({ pagination_token: "a/b" }), next({ has_more: true })],
    [null, null, "pagination_token=a%2Fb", "after=file_1"]
  )
  assert.strictEqual(list("pagination_token=a%2Fb").path, "/files?order=desc&limit=100&pagination_token=a%2Fb")
})

it("a batch is over when nothing of it is pending, or when a server that counts otherwise says so", () => {
  const { decode, decodePage } = batches
  const read = (state: object, rest: object = {}) => {
    const { ended, object, requests } = Result.getOrThrow(decode({ batch_id: "batch_1", state, ...rest }))
    return [ended, object["status"], requests, object["request_counts"]]
  }
  const counts = (completed: number, failed: number) => ({ completed, failed })
  assert.deepStrictEqual(read({}), [false, "validating", null, counts(0, 0)])
  assert.deepStrictEqual(read({ num_requests: 3, num_pending: 1, num_success: 2 }), [
    false,
    "in_progress",
    3,
    counts(2, 0)
  ])
  assert.deepStrictEqual(read({ num_requests: 3, num_pending: 0, num_success: 2, num_error: 1 }), [
    true,
    "completed",
    3,
    counts(2, 1)
  ])
  assert.deepStrictEqual(read({ num_requests: 3, num_cancelled: 3 }, { cancel_time: "2026-11-22T10:00:00Z" }), [
    true,
    "cancelled",
    3,
    counts(0, 3)
  ])
  const others = { total_requests: 3, completed_requests: 2, failed_requests: 1 }
  assert.deepStrictEqual(read({ status: "PENDING", total_requests: 3 }), [false, "in_progress", 3, counts(0, 0)])
  assert.deepStrictEqual(read({ status: "COMPLETED", ...others }), [true, "completed", 3, counts(2, 1)])
  assert.deepStrictEqual(read({ status: "failed", ...others }), [true, "completed", 3, counts(2, 1)])
  assert.deepStrictEqual(read({ status: "PENDING", num_requests: 3, num_pending: 0 }), [
    true,
    "completed",
    3,
    counts(0, 0)
  ])
  const page = (body: object) => Result.map(decodePage(body), ({ jobs }) => jobs.map(({ id }) => id))
  assert.deepStrictEqual(page({ batches: [{ batch_id: "batch_1" }] }), Result.succeed(["batch_1"]))
  assert.deepStrictEqual(page({ data: [{ batch_id: "batch_1" }] }), Result.succeed(["batch_1"]))
  assert.isTrue(Result.isFailure(page({})))
})

it("the result of a request is in an envelope, or bare", () => {
  const answer = { object: "chat.completion" }
  const read = { key: "l-1", status: 200, answer, error: null }
  const { result } = batches
  assert.deepStrictEqual(
    result({ batch_request_id: "l-1", batch_result: { response: { chat_get_completion: answer } } }),
    Result.succeed(read)
  )
  assert.deepStrictEqual(result({ custom_id: "l-1", response: answer, error: null }), Result.succeed(read))
  const error = { code: "unsupported_endpoint", message: "no" }
  assert.deepStrictEqual(
    result({ custom_id: "l-1", response: null, error }),
    Result.succeed({ key: "l-1", status: 400, answer: null, error })
  )
  assert.isTrue(Result.isFailure(result({ response: answer })))
})
