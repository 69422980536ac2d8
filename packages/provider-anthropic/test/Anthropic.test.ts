import { assert, describe, it } from "@effect/vitest"
import { Account, defaultPolicy } from "@omnifile/core/Account"
import * as Bytes from "@omnifile/core/Bytes"
import type { FileUpload, ProviderCall } from "@omnifile/core/Provider"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Anthropic from "../src/Anthropic.ts"
import { files } from "../src/AnthropicFiles.ts"

const { anthropic } = Anthropic

const account = new Account({
  id: "a",
  provider: "anthropic",
  baseUrl: "https://api.anthropic.com",
  apiKey: Redacted.make("sk-1"),
  headers: {},
  exclusive: false,
  policy: defaultPolicy
})

const at = (headers: Readonly<Record<string, string>>) => ({ account, model: "claude", headers })

const create = (given: FileUpload): ProviderCall => {
  const step = files.create(given)
  assert(step._tag === "Call")
  return step.call
}

const upload: FileUpload = {
  filename: "a.pdf",
  contentType: "application/octet-stream",
  mediaType: "application/pdf",
  purpose: "user_data",
  bytes: Bytes.fromArray(new TextEncoder().encode("hello")),
  length: 5,
  expiresAfter: 3_600,
  nonce: "0123"
}

const textOf = async (call: ProviderCall): Promise<string> => {
  assert(call.body !== null && !(call.body instanceof Uint8Array))
  const bytes = await Bytes.collect(call.body.bytes)
  assert.strictEqual(bytes.byteLength, call.body.length)
  return new TextDecoder().decode(bytes)
}

describe("files", () => {
  it("are uploaded with their life in seconds, and nothing that the API does not know", async () => {
    const call = create(upload)
    assert.deepInclude(call, { method: "POST", path: "/v1/files", idempotent: false })
    assert.strictEqual(
      await textOf(call),
      [
        "--omnifile-0123",
        'content-disposition: form-data; name="expires_in_seconds"',
        "",
        "3600",
        "--omnifile-0123",
        'content-disposition: form-data; name="file"; filename="a.pdf"',
        "content-type: application/pdf",
        "",
        "hello",
        "--omnifile-0123--",
        ""
      ].join("\r\n")
    )
    assert.notInclude(await textOf(create({ ...upload, expiresAfter: null })), "expires")
  })

  it("are read in either shape", () => {
    const object = { id: "file_1", type: "file", filename: "a.pdf", mime_type: "application/pdf", size_bytes: 5 }
    const known = {
      id: "file_1",
      filename: "a.pdf",
      bytes: 5,
      createdAt: Date.UTC(2026, 7, 1),
      expiresAt: null,
      state: "ready"
    } as const
    const created = { ...object, created_at: "2026-08-01T00:00:00Z" }
    assert.deepStrictEqual(Result.getOrThrow(files.decodeFile({ ...created, expires_at: null })), known)
    const expiring = files.decodeFile({ ...created, downloadable: false, expires_at: "2026-08-02T00:00:00Z" })
    assert.deepStrictEqual(Result.getOrThrow(expiring), { ...known, expiresAt: Date.UTC(2026, 7, 2) })
    assert.isTrue(Result.isFailure(files.decodeFile({ type: "file" })))
  })

  it("are listed page by page in either shape, to the end", () => {
    const data = [{ id: "file_1" }, { id: "file/2" }]
    const next = (page: object) => Result.getOrThrow(files.decodePage({ data, ...page }, null)).next
    assert.isNull(next({ next_page: null }))
    assert.isNull(next({ has_more: false, last_id: "file/2" }))
    for (const [page, query] of [
      [{ next_page: "a&b" }, "page=a%26b"],
      [{ has_more: true, last_id: "file/2" }, "after_id=file%2F2"],
      [{ has_more: true }, "after_id=file%2F2"]
    ] as const) {
      assert.strictEqual(next(page), query)
      assert.strictEqual(files.list(next(page)).path, `/v1/files?limit=1000&${query}`)
    }
    assert.strictEqual(files.list(null).path, "/v1/files?limit=1000")
  })

  it("are named by IDs that cannot lead elsewhere", () => {
    assert.strictEqual(files.retrieve("../keys?x=").path, "/v1/files/..%2Fkeys%3Fx%3D")
    assert.strictEqual(files.content?.("a/b").path, "/v1/files/a%2Fb/content")
    assert.isTrue([files.retrieve("f"), files.remove("f"), files.content?.("f")].every((call) => call?.idempotent))
  })
})

describe("messages", () => {
  it("go out with what the client says of the API, or else in a version of our own", () => {
    const body = new Uint8Array(2)
    const own = anthropic.messages?.(body, at({}))
    assert.deepInclude(own, { method: "POST", path: "/v1/messages", body, idempotent: false })
    assert.deepStrictEqual(own?.headers, { "anthropic-version": "2023-06-01", "content-type": "application/json" })
    const said = { "anthropic-version": "2026-10-21", "anthropic-beta": "files-api-2025-04-14" }
    assert.deepInclude(anthropic.countTokens?.(body, at(said))?.headers, said)
    assert.strictEqual(anthropic.countTokens?.(body, at({})).path, "/v1/messages/count_tokens")
  })

  it("are authorised by the account's key", () => {
    assert.deepStrictEqual(anthropic.authorize(account, Redacted.make("sk-1")), { "x-api-key": "sk-1" })
  })
})

describe("refusals", () => {
  it.each([
    [404, "file_expired", "It has expired.", "gone"],
    [404, null, "File not found: file_1", "gone"],
    [404, null, "model: claude", null],
    [400, "storage_quota_exceeded", "There is no room.", "quota"],
    [400, "file_not_downloadable", "It is an upload.", null],
    [413, null, "Request exceeds the maximum size", "too_large"]
  ] as const)("of status %d with the code %s and the words %j mean %s", (status, error_code, message, meaning) => {
    const error = { type: "any", message, ...(error_code === null ? {} : { details: { error_code } }) }
    const refusal = anthropic.decodeRefusal({ type: "error", error }, { status, call: "messages" })
    assert.deepInclude(refusal, { code: error_code, meaning })
  })

  it("are read from the API's errors", () => {
    const body = { type: "error", error: { type: "not_found_error", message: "model: claude" }, request_id: "req_1" }
    assert.deepStrictEqual(anthropic.decodeRefusal(body, { status: 404, call: "files.retrieve" }), {
      message: "model: claude",
      type: "not_found_error",
      param: null,
      code: null,
      meaning: null
    })
    assert.isNull(anthropic.decodeRefusal({ error: "no" }, { status: 400, call: "messages" }))
    assert.isNull(anthropic.decodeRefusal(undefined, { status: 400, call: "messages" }))
  })
})
