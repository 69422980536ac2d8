import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@omnifile/core/Bytes"
import type { Decoded, FileUpload, UploadStep } from "@omnifile/core/Provider"
import * as Result from "effect/Result"
import { batches } from "../src/TogetherBatches.ts"
import { together } from "../src/Together.ts"
import { files } from "../src/TogetherFiles.ts"

const upload: FileUpload = {
  filename: "my lines.jsonl",
  contentType: "application/jsonl",
  mediaType: "application/jsonl",
  purpose: "batch",
  bytes: Bytes.fromArray(new TextEncoder().encode("hello")),
  length: 5,
  expiresAfter: null,
  nonce: "0123"
}

const stepOf = (step: UploadStep) => {
  assert(step._tag === "Call")
  return step
}

const after = (step: Decoded<UploadStep>) => stepOf(Result.getOrThrow(step))

const location = "https://storage.example.com/a?signature=1"
const redirect = { status: 302, headers: { location, "x-together-file-id": "file-1" }, body: undefined }

describe("an upload", () => {
  it("is asked for, put where the redirect says, and described then", () => {
    const asked = stepOf(files.create(upload))
    assert.deepInclude(asked.call, {
      method: "POST",
      path: "/files?file_name=my+lines.jsonl&file_type=jsonl&purpose=batch-api",
      idempotent: false
    })
    assert.deepStrictEqual(asked.call.accepts, [302])
    assert.isUndefined(asked.begun)

    const put = after(asked.next(redirect))
    assert.deepInclude(put.call, { method: "PUT", url: location, credentials: false, idempotent: true })
    assert.deepStrictEqual(put.call.headers, { "content-type": "application/octet-stream" })
    // From the redirect on the file is there.
    assert.strictEqual(put.begun, "file-1")

    const described = after(put.next({ status: 200, headers: {}, body: undefined }))
    assert.deepInclude(described.call, { method: "GET", path: "/files/file-1" })
    const made = Result.getOrThrow(
      described.next({ status: 200, headers: {}, body: { id: "file-1", Processed: false } })
    )
    assert(made._tag === "Made")
    assert.deepInclude(made.file, { id: "file-1", state: "processing" })
  })

  it.each([{ location }, { "x-together-file-id": "file-1" }, {}])("goes nowhere with the headers %j", (headers) => {
    assert.isTrue(Result.isFailure(stepOf(files.create(upload)).next({ status: 302, headers, body: undefined })))
  })
})

describe("files", () => {
  it("are those of batches, of fine-tuning and of evaluations, of three types", () => {
    const takes = (filename: string, purpose: FileUpload["purpose"]) => files.takes({ ...upload, filename, purpose })
    assert.isTrue(takes("a.jsonl", "batch") && takes("a.CSV", "fine-tune") && takes("a.parquet", "evals"))
    assert.isFalse(takes("a.pdf", "batch") || takes("a.jsonl", "user_data") || takes("jsonl", "vision"))
  })

  it.each([
    [{ Processed: true, processing_status: "COMPLETED" }, "ready"],
    [{ Processed: true }, "ready"],
    [{}, "ready"],
    [{ Processed: false, processing_status: "QUEUED" }, "processing"],
    [{ Processed: false, processing_status: "INVALID_FORMAT" }, "failed"],
    [{ Processed: false, processing_status: "FAILED" }, "failed"]
  ])("with %j are %s", (fields, state) => {
    assert.strictEqual(Result.getOrThrow(files.decodeFile({ id: "file-1", ...fields })).state, state as "ready")
  })

  it("are listed all at once, and named by paths that cannot lead elsewhere", () => {
    const data = [{ id: "file-1", filename: "a.jsonl", bytes: 5, created_at: 10 }]
    const file = { id: "file-1", filename: "a.jsonl", bytes: 5, createdAt: 10_000, expiresAt: null, state: "ready" }
    assert.deepStrictEqual(Result.getOrThrow(files.decodePage({ data }, null)), { files: [file], next: null } as never)
    assert.strictEqual(files.retrieve("../x?y").path, "/files/..%2Fx%3Fy")
    assert.isTrue(Result.isFailure(files.decodeFile({ id: ".." })))
  })
})

describe("batches", () => {
  const job = {
    id: "batch-1",
    status: "COMPLETED",
    endpoint: "/v1/chat/completions",
    input_file_id: "file-1",
    output_file_id: "file-2",
    created_at: "2026-11-22T10:00:00.123Z",
    completed_at: "2026-11-22T10:01:00Z",
    job_deadline: "2026-11-23T10:00:00Z",
    model_id: "llama"
  }

  it("are asked for with what the API takes, and nothing else", () => {
    const body = { input_file_id: "file-1", endpoint: "/v1/chat/completions", completion_window: "24h", metadata: {} }
    const call = batches.create(body)
    assert.deepInclude(call, { method: "POST", path: "/batches", idempotent: false })
    assert(call.body instanceof Uint8Array)
    assert.hasAllKeys(JSON.parse(new TextDecoder().decode(call.body)), [
      "input_file_id",
      "endpoint",
      "completion_window"
    ])
  })

  it("are OpenAI's objects, from a creation, a look and a list", () => {
    const read = Result.getOrThrow(batches.decode({ job, warning: "slow" }))
    assert.deepStrictEqual(Result.getOrThrow(batches.decode(job)), read)
    assert.deepStrictEqual(Result.getOrThrow(batches.decodePage([job, {}])), { jobs: [read], next: null })
    assert.isTrue(read.ended)
    assert.deepStrictEqual(read.inputs, [{ field: "input_file_id", remoteId: "file-1" }])
    assert.deepStrictEqual(read.outputs, [{ role: "output_file_id", remoteId: "file-2", purpose: "batch_output" }])
    assert.deepInclude(read.object, {
      object: "batch",
      status: "completed",
      model: "llama",
      created_at: 1_795_341_600,
      completed_at: 1_795_341_660,
      failed_at: null,
      errors: null
    })
    assert.isTrue(Result.isFailure(batches.decode({ id: "batch-1", status: "ODD" })))
    assert.isTrue(Result.isFailure(batches.decodePage({ batches: [job] })))
  })

  it("are read with times and states in other spellings", () => {
    const otherwise = {
      ...job,
      status: "completed",
      created_at: 1_795_341_600,
      completed_at: 1_795_341_660,
      job_deadline: 1_795_428_000
    }
    const read = Result.getOrThrow(batches.decode(otherwise))
    assert.deepStrictEqual(read, Result.getOrThrow(batches.decode({ ...job, created_at: "2026-11-22T10:00:00Z" })))
    assert.deepStrictEqual(Result.getOrThrow(batches.decodePage({ data: [otherwise] })), { jobs: [read], next: null })
  })

  it("that fail say why", () => {
    const { object } = Result.getOrThrow(batches.decode({ ...job, status: "FAILED", error: "a bad line" }))
    assert.deepInclude(object, { status: "failed", failed_at: 1_795_341_660, completed_at: null })
    assert.include(JSON.stringify(object["errors"]), "a bad line")
  })
})

it("what is not OpenAI's is not spoken", () => {
  const { fineTuning, messages, responses } = together
  assert.deepStrictEqual([fineTuning, messages, responses], [null, null, null])
})
