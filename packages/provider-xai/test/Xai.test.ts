import { assert, it } from "@effect/vitest"
import * as Bytes from "@omnifile/core/Bytes"
import { ruleFor } from "@omnifile/core/FileCapabilities"
import * as Result from "effect/Result"
import { xai } from "../src/Xai.ts"

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
