import { assert, describe, it } from "@effect/vitest"
import { Account, defaultPolicy } from "@omnifile/core/Account"
import * as Bytes from "@omnifile/core/Bytes"
import type { FileUpload, ProviderCall, RemoteFile } from "@omnifile/core/Provider"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as OpenAI from "../src/OpenAI.ts"
import * as OpenAIFiles from "../src/OpenAIFiles.ts"

const files = OpenAIFiles.make()

const create = (given: FileUpload, { create: begin } = files): ProviderCall => {
  const step = begin(given)
  assert(step._tag === "Call")
  return step.call
}

const upload: FileUpload = {
  filename: 'a"b\r\nc.txt',
  contentType: "text/plain; charset=utf-8",
  mediaType: "text/plain; charset=utf-8",
  purpose: "user_data",
  bytes: Bytes.fromArray(new TextEncoder().encode("hello")),
  length: 5,
  expiresAfter: 3_600,
  nonce: "0123"
}

const bodyOf = async (call: ProviderCall): Promise<{ text: string; length: number }> => {
  assert(call.body !== null && !(call.body instanceof Uint8Array))
  const bytes = await Bytes.collect(call.body.bytes)
  assert.strictEqual(bytes.byteLength, call.body.length)
  return { text: new TextDecoder().decode(bytes), length: call.body.length }
}

describe("OpenAI", () => {
  it("sends the fields before the file, and no name can add a header", async () => {
    const { text } = await bodyOf(create(upload))
    assert.strictEqual(
      text,
      [
        "--omnifile-0123",
        'content-disposition: form-data; name="purpose"',
        "",
        "user_data",
        "--omnifile-0123",
        'content-disposition: form-data; name="expires_after[anchor]"',
        "",
        "created_at",
        "--omnifile-0123",
        'content-disposition: form-data; name="expires_after[seconds]"',
        "",
        "3600",
        "--omnifile-0123",
        'content-disposition: form-data; name="file"; filename="a%22b%0D%0Ac.txt"',
        "content-type: text/plain; charset=utf-8",
        "",
        "hello",
        "--omnifile-0123--",
        ""
      ].join("\r\n")
    )
  })

  it("is not repeated blindly when it creates, and is when it looks", () => {
    assert.isFalse(create(upload).idempotent)
    assert.isTrue(
      [files.retrieve("f"), files.remove("f"), files.list(null), files.content?.("f")].every((c) => c?.idempotent)
    )
  })

  it("keeps an ID from leading elsewhere", () => {
    assert.strictEqual(files.retrieve("../models?x#y").path, "/files/..%2Fmodels%3Fx%23y")
    assert.strictEqual(files.list("a&b").path, "/files?order=desc&limit=1000&after=a%26b")
  })

  it("leaves expires_after out for a vendor that does not know it", async () => {
    const vendor = OpenAIFiles.make({ expiry: null })
    const bytes = Bytes.fromArray(new TextEncoder().encode("hello"))
    const { text } = await bodyOf(create({ ...upload, bytes }, vendor))
    assert.notInclude(text, "expires_after")
  })

  const described: ReadonlyArray<readonly [body: unknown, expected: RemoteFile]> = [
    [
      { id: "file-1", object: "file", bytes: 5, created_at: 10, expires_at: 20, filename: "a", status: "processed" },
      { id: "file-1", filename: "a", bytes: 5, createdAt: 10_000, expiresAt: 20_000, state: "ready" }
    ],
    [
      { id: "file-1", bytes: null },
      { id: "file-1", filename: null, bytes: null, createdAt: null, expiresAt: null, state: "ready" }
    ],
    [
      { id: "assistant-1", status: "pending" },
      { id: "assistant-1", filename: null, bytes: null, createdAt: null, expiresAt: null, state: "processing" }
    ],
    [
      { id: "file-1", status: "error" },
      { id: "file-1", filename: null, bytes: null, createdAt: null, expiresAt: null, state: "failed" }
    ]
  ]
  for (const [body, expected] of described) {
    it(`reads ${JSON.stringify(body)}`, () => {
      assert.deepStrictEqual(Result.getOrThrow(files.decodeFile(body)), expected)
    })
  }

  for (const body of [undefined, null, "text", {}, { id: "" }, { id: 1 }]) {
    it(`does not take ${JSON.stringify(body)} for a file`, () => {
      assert.isTrue(Result.isFailure(files.decodeFile(body)))
    })
  }

  it("reads pages to their end", () => {
    const page = (body: unknown) => Result.getOrThrow(files.decodePage(body, null)).next
    assert.strictEqual(page({ data: [{ id: "a" }, { id: "b" }], has_more: true }), "b")
    assert.isNull(page({ data: [{ id: "a" }], has_more: false }))
    assert.isNull(page({ data: [{ id: "a" }] }))
    assert.isNull(page({ data: [], has_more: true }))
  })

  it("reads a refusal, and nothing into what is none", () => {
    const { decodeRefusal } = OpenAI.openai
    const refused = { status: 400, call: "chat.completions" }
    assert.deepStrictEqual(decodeRefusal({ error: { message: "no", type: "t", param: null, code: 400 } }, refused), {
      message: "no",
      type: "t",
      param: null,
      code: "400",
      meaning: null
    })
    assert.isNull(decodeRefusal(undefined, refused))
    assert.isNull(decodeRefusal("", refused))
    assert.isNull(decodeRefusal({ error: null }, refused))
  })

  it.each([
    [
      { error: "Incorrect API key provided: x.", code: "Client specified" },
      "Incorrect API key provided: x.",
      null,
      "Client specified"
    ],
    [
      { object: "error", message: "Invalid model", type: "invalid", param: "model", code: "1500" },
      "Invalid model",
      "model",
      "1500"
    ],
    [{ detail: "Not Found" }, "Not Found", null, null],
    [{ detail: [{ loc: ["body", "messages", 0], msg: "Field required" }] }, "Field required", "messages.0", null],
    ["a text", "a text", null, null]
  ])("reads the refusals of vendors, such as %j", (body, message, param, code) => {
    assert.deepInclude(OpenAI.openai.decodeRefusal(body, { status: 422, call: "files.create" }), {
      message,
      param,
      code
    })
  })

  it.each([
    [400, "No such File object: file-1", "gone"],
    [404, "File file-1 not found", "gone"],
    [400, "The file file-1 does not exist", "gone"],
    [400, "Invalid type for 'file_id'", null],
    [404, "The model does not exist", null],
    [400, "Incorrect API key provided: x", "credentials"],
    [400, "You have exceeded your file storage quota. Organizations are limited to 100 GB of files.", "quota"],
    [400, "The quota for files without expiry is reached. The maximum is 500.", "quota"],
    [413, "too much", "too_large"]
  ] as const)("knows what is meant by status %d and %j", (status, message, meaning) => {
    const refusal = OpenAI.openai.decodeRefusal({ error: { message } }, { status, call: "chat.completions" })
    assert.strictEqual(refusal?.meaning, meaning)
  })

  it("authorises by bearer token", () => {
    const account = new Account({
      id: "main",
      provider: "openai",
      baseUrl: "http://127.0.0.1",
      apiKey: Redacted.make("sk-1"),
      headers: {},
      exclusive: false,
      policy: defaultPolicy
    })
    assert.deepStrictEqual(OpenAI.openai.authorize(account, account.apiKey), { authorization: "Bearer sk-1" })
  })
})
