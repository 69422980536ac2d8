import { assert, describe, it } from "@effect/vitest"
import { Account, defaultPolicy } from "@omnifile/core/Account"
import * as Bytes from "@omnifile/core/Bytes"
import type { FileUpload, UploadStep } from "@omnifile/core/Provider"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Gemini from "../src/Gemini.ts"
import { batches } from "../src/GeminiBatches.ts"
import { files } from "../src/GeminiFiles.ts"

const { gemini } = Gemini

const account = (apiVersion: string | null = null, baseUrl = "https://generativelanguage.googleapis.com") =>
  new Account({
    id: "a",
    provider: "gemini",
    baseUrl,
    apiKey: Redacted.make("key"),
    headers: {},
    exclusive: false,
    policy: defaultPolicy,
    apiVersion
  })

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

const stepOf = (step: UploadStep) => {
  assert(step._tag === "Call")
  return step
}

const object = {
  name: "files/abc-1",
  displayName: "a.pdf",
  mimeType: "application/pdf",
  sizeBytes: "5",
  createTime: "2026-11-22T10:00:00.123456Z",
  updateTime: "2026-11-22T10:00:00.123456Z",
  expirationTime: "2026-11-24T10:00:00.123Z",
  sha256Hash: "NGM=",
  uri: "https://generativelanguage.googleapis.com/v1beta/files/abc-1",
  state: "ACTIVE",
  source: "UPLOADED"
}

const decoded = {
  id: "files/abc-1",
  reference: object.uri,
  filename: "a.pdf",
  bytes: 5,
  createdAt: Date.parse(object.createTime),
  expiresAt: Date.parse(object.expirationTime),
  state: "ready"
}

describe("an upload", () => {
  it("is begun by a call that makes no copy, and ended at the address that it is answered", async () => {
    const first = stepOf(files.create(upload))
    assert.deepInclude(first.call, { method: "POST", path: "/upload/v1beta/files", idempotent: true })
    assert.deepStrictEqual(first.call.headers, {
      "content-type": "application/json",
      "x-goog-upload-protocol": "resumable",
      "x-goog-upload-command": "start",
      "x-goog-upload-header-content-length": "5",
      "x-goog-upload-header-content-type": "application/pdf"
    })
    assert(first.call.body instanceof Uint8Array)
    assert.strictEqual(new TextDecoder().decode(first.call.body), '{"file":{"displayName":"a.pdf"}}')

    const url = "https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id=1"
    const second = stepOf(
      Result.getOrThrow(first.next({ status: 200, headers: { "x-goog-upload-url": url }, body: {} }))
    )
    assert.deepInclude(second.call, { method: "POST", url, idempotent: false })
    assert.deepStrictEqual(second.call.headers, {
      "x-goog-upload-command": "upload, finalize",
      "x-goog-upload-offset": "0"
    })
    assert(second.call.body !== null && !(second.call.body instanceof Uint8Array))
    assert.strictEqual(second.call.body.length, 5)
    const made = second.next({ status: 200, headers: {}, body: { file: object } })
    assert.deepStrictEqual(Result.getOrThrow(made), { _tag: "Made", file: decoded } as never)
  })

  it("is no upload without an address, and no file without a file", () => {
    const first = stepOf(files.create(upload))
    assert.isTrue(Result.isFailure(first.next({ status: 200, headers: {}, body: {} })))
    const second = stepOf(
      Result.getOrThrow(first.next({ status: 200, headers: { "x-goog-upload-url": "https://a/b" }, body: {} }))
    )
    assert.isTrue(Result.isFailure(second.next({ status: 200, headers: {}, body: object })))
  })

  it("has a name of at most 512 characters, none of them cut in half", () => {
    const { call } = stepOf(files.create({ ...upload, filename: "😀".repeat(600) }))
    assert(call.body instanceof Uint8Array)
    const { file } = JSON.parse(new TextDecoder().decode(call.body)) as { file: { displayName: string } }
    assert.strictEqual(file.displayName, "😀".repeat(512))
  })
})

describe("files", () => {
  it("are read with their URI, their size as a string and their state", () => {
    assert.deepStrictEqual(Result.getOrThrow(files.decodeFile(object)), decoded as never)
    const state = (value: string | undefined) =>
      Result.getOrThrow(files.decodeFile({ name: "files/a", state: value ?? "ACTIVE" })).state
    assert.deepStrictEqual(["PROCESSING", "FAILED", undefined].map(state), ["processing", "failed", "ready"])
    assert.deepInclude(Result.getOrThrow(files.decodeFile({ name: "files/a", sizeBytes: "x" })), {
      bytes: null,
      filename: null,
      createdAt: null
    })
  })

  it.each([
    null,
    {},
    { name: "" },
    { name: "files/" },
    { name: "files/.." },
    { name: "files/a/b" },
    { name: "models/a" }
  ])("are not read out of %j", (body) => {
    assert.isTrue(Result.isFailure(files.decodeFile(body)))
  })

  it("are listed in pages, of which an empty one says nothing", () => {
    assert.deepStrictEqual(Result.getOrThrow(files.decodePage({}, null)), { files: [], next: null })
    const page = Result.getOrThrow(files.decodePage({ files: [object], nextPageToken: "t/1" }, null))
    assert.deepStrictEqual(page, { files: [decoded], next: "t/1" } as never)
    assert.strictEqual(files.list(page.next).path, "/v1beta/files?pageSize=100&pageToken=t%2F1")
    assert.isTrue(Result.isFailure(files.decodePage({ files: "none" }, null)))
  })

  it("are named by paths that cannot lead elsewhere", () => {
    assert.strictEqual(files.retrieve("files/abc").path, "/v1beta/files/abc")
    assert.strictEqual(files.remove("files/../keys?x").path, "/v1beta/files/..%2Fkeys%3Fx")
    assert.isNull(files.content)
  })
})

describe("an account", () => {
  it("may be of another version of the API", () => {
    const call = files.retrieve("files/abc")
    assert.strictEqual(gemini.address(call, account()).path, "/v1beta/files/abc")
    assert.strictEqual(gemini.address(call, account("v1")).path, "/v1/files/abc")
    assert.strictEqual(gemini.address(stepOf(files.create(upload)).call, account("v1")).path, "/upload/v1/files")
  })

  it("gives its key to addresses of uploads only where its own calls go", () => {
    const at = (url: string) => gemini.address({ ...files.retrieve("files/a"), url }, account()).credentials
    assert.isTrue(at("https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id=1"))
    assert.isFalse(at("https://storage.example.com/upload?upload_id=1"))
    assert.isFalse(at("http://generativelanguage.googleapis.com/upload?upload_id=1"))
    assert.deepStrictEqual(gemini.authorize(account(), Redacted.make("k")), { "x-goog-api-key": "k" })
  })
})

describe("refusals", () => {
  const error = (code: number, message: string, status: string, details?: ReadonlyArray<object>) => ({
    error: { code, message, status, ...(details === undefined ? {} : { details }) }
  })
  const gone = error(403, "You do not have permission to access the File abc or it may not exist.", "PERMISSION_DENIED")
  const keyInvalid = error(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", [
    { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID" }
  ])
  const quota = error(429, "You exceeded your current quota.", "RESOURCE_EXHAUSTED", [
    { violations: [{ quotaId: "FileStorageBytesPerProject" }] }
  ])

  it.each([
    [403, gone, "gone"],
    [403, [gone], "gone"],
    [403, error(403, "The caller does not have permission", "PERMISSION_DENIED"), null],
    [400, keyInvalid, "credentials"],
    [400, error(400, "Request payload size exceeds the limit: 104857600 bytes.", "INVALID_ARGUMENT"), "too_large"],
    [429, quota, "quota"],
    [429, error(429, "Resource has been exhausted (e.g. check quota).", "RESOURCE_EXHAUSTED"), null],
    [404, error(404, "models/x is not found", "NOT_FOUND"), null]
  ] as const)("of status %d in %j mean %s", (status, body, meaning) => {
    assert.strictEqual(gemini.decodeRefusal(body, { status, call: "generate" })?.meaning, meaning)
  })

  it("are read with their status in words and the reason, and from nothing else", () => {
    assert.deepStrictEqual(gemini.decodeRefusal(keyInvalid, { status: 400, call: "files.create" }), {
      message: "API key not valid. Please pass a valid API key.",
      type: "INVALID_ARGUMENT",
      param: null,
      code: "API_KEY_INVALID",
      meaning: "credentials"
    })
    const gone = error(
      403,
      "You do not have permission to access the File ab12 or it may not exist.",
      "PERMISSION_DENIED"
    )
    assert.include(gemini.decodeRefusal(gone, { status: 403, call: "generate" })?.message, "the File files/ab12 or it")
    assert.isNull(gemini.decodeRefusal("<html>", { status: 502, call: "generate" }))
  })
})

it("a batch is over in each state that nothing follows, under either of the API's names for it", () => {
  const read = (state: string) => {
    const { ended, object } = Result.getOrThrow(batches.decode({ name: "batches/b", metadata: { state } }))
    return [ended, object["status"]]
  }
  for (const api of ["BATCH", "JOB"]) {
    assert.deepStrictEqual(read(`${api}_STATE_PENDING`), [false, "validating"])
    assert.deepStrictEqual(read(`${api}_STATE_RUNNING`), [false, "in_progress"])
    assert.deepStrictEqual(read(`${api}_STATE_SUCCEEDED`), [true, "completed"])
    assert.deepStrictEqual(read(`${api}_STATE_PARTIALLY_SUCCEEDED`), [true, "completed"])
    assert.deepStrictEqual(read(`${api}_STATE_FAILED`), [true, "failed"])
    assert.deepStrictEqual(read(`${api}_STATE_CANCELLED`), [true, "cancelled"])
    assert.deepStrictEqual(read(`${api}_STATE_EXPIRED`), [true, "expired"])
  }
})
