import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "@omnifile/core/Bytes"
import type { FileUpload } from "@omnifile/core/Provider"
import * as Result from "effect/Result"
import { mistral } from "../src/Mistral.ts"
import { batches } from "../src/MistralBatches.ts"
import { files } from "../src/MistralFiles.ts"

const bodyOf = async (purpose: FileUpload["purpose"]): Promise<string> => {
  const step = files.create({
    filename: "a.pdf",
    contentType: "application/octet-stream",
    mediaType: "application/pdf",
    purpose,
    bytes: Bytes.fromArray(new TextEncoder().encode("hello")),
    length: 5,
    expiresAfter: 3_600,
    nonce: "0123"
  })
  assert(step._tag === "Call" && step.call.body !== null && !(step.call.body instanceof Uint8Array))
  return new TextDecoder().decode(await Bytes.collect(step.call.body.bytes))
}

describe("files", () => {
  it("are documents, batches or training data, and are kept until they are deleted", async () => {
    const purposes = ["user_data", "assistants", "vision", "evals", "batch_output", "batch", "fine-tune"] as const
    const sent = await Promise.all(purposes.map(bodyOf))
    assert.deepStrictEqual(
      sent.map((body) => /name="purpose"\r\n\r\n([^\r]+)/.exec(body)?.[1]),
      ["ocr", "ocr", "ocr", "ocr", "ocr", "batch", "fine-tune"]
    )
    assert.isFalse(sent.some((body) => body.includes("expir")))
    assert.isTrue(sent.every((body) => body.includes("content-type: application/pdf\r\n")))
    assert.isNull(files.life)
  })

  it("are listed by the number of the page, as long as the total says that there are more", () => {
    assert.strictEqual(files.list(null).path, "/files?page_size=100&page=0")
    assert.strictEqual(files.list("2").path, "/files?page_size=100&page=2")
    const next = (cursor: string | null, total?: number | null) =>
      Result.getOrThrow(
        files.decodePage({ data: [{ id: "1" }], object: "list", ...(total === undefined ? {} : { total }) }, cursor)
      ).next
    assert.deepStrictEqual([next(null, 100), next(null, 101), next("1", 250), next("2", 250)], [null, "1", "2", null])
    assert.deepStrictEqual([next(null), next(null, null)], [null, null])
    assert.isTrue(Result.isFailure(files.decodePage({ detail: "no" }, null)))
  })

  it("are named in the part itself", () => {
    const part = { type: "file", file: { file_id: "file-1", filename: "a.pdf" } }
    const file = { use: "chat", reference: "uuid", filename: "a.pdf", contentType: "application/pdf" } as const
    assert.deepStrictEqual(mistral.filePart?.(part, file), { type: "file", file_id: "uuid" })
  })
})

it("batch jobs are read with times and files in either form, and without what they may lack", () => {
  const plain = {
    id: "job",
    input_files: ["in"],
    output_file: "out",
    status: "SUCCESS",
    errors: [],
    created_at: 1_795_341_600,
    started_at: 1_795_341_630,
    completed_at: 1_795_341_660
  }
  const read = Result.getOrThrow(batches.decode(plain))
  assert.deepInclude(read, { ended: true, createdAt: 1_795_341_600_000, results: ["out"] })
  assert.deepInclude(read.object, {
    status: "completed",
    in_progress_at: 1_795_341_630,
    completed_at: 1_795_341_660
  })
  const otherwise = {
    ...plain,
    output_file: { id: "out", object: "file" },
    error_file: null,
    status: "success",
    errors: null,
    created_at: "2026-11-22T10:00:00Z",
    started_at: "2026-11-22T10:00:30Z",
    completed_at: "2026-11-22T10:01:00Z"
  }
  assert.deepStrictEqual(Result.getOrThrow(batches.decode(otherwise)), read)
  const bare = Result.getOrThrow(batches.decode({ id: "job", input_files: null, status: "QUEUED" }))
  assert.deepInclude(bare, { ended: false, createdAt: null, inputs: [], results: [] })
})

it("what is not OpenAI's is not spoken", () => {
  const { batches, containerFiles, fineTuning, messages, responses } = mistral
  assert.deepStrictEqual([batches, containerFiles, fineTuning, messages, responses], [null, null, null, null, null])
})

describe("batches", () => {
  it("are listed a page after the other, as long as pages are full", () => {
    const batches = mistral.foreignBatches ?? assert.fail("there are none")
    const job = (_: unknown, index: number) => ({
      id: `job-${index}`,
      input_files: [],
      status: "QUEUED",
      created_at: index
    })
    const next = (jobs: number, cursor: string | null) =>
      Result.getOrThrow(batches.decodePage({ data: Array.from({ length: jobs }, job) }, cursor)).next
    assert.deepStrictEqual([next(100, null), next(100, "1"), next(99, "2"), next(0, "3")], ["1", "2", null, null])
    assert.include(batches.list("2").path, "page=2&")
  })
})
