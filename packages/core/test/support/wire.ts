/** A protocol with the shape of OpenAI's, as small as a test allows. */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as MultipartBody from "../../src/MultipartBody.ts"
import { isObject as isJsonObject } from "../../src/Json.ts"
import * as Provider from "../../src/Provider.ts"
import type { RemoteFile, RemoteJob } from "../../src/Provider.ts"
import { bodiless } from "../../src/ProviderCalls.ts"

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

const text = (value: unknown): string | null => (typeof value === "string" ? value : null)
const number = (value: unknown): number | null => (typeof value === "number" ? value : null)
const seconds = (value: unknown): number | null => (typeof value === "number" ? value * 1000 : null)

const states: Readonly<Record<string, RemoteFile["state"]>> = { running: "processing", error: "failed" }

const remoteFile = (body: unknown): RemoteFile | null =>
  isObject(body) && typeof body["id"] === "string"
    ? {
        id: body["id"],
        filename: text(body["filename"]),
        bytes: number(body["bytes"]),
        createdAt: seconds(body["created_at"]),
        expiresAt: seconds(body["expires_at"]),
        state: states[String(body["status"])] ?? "ready"
      }
    : null

const over: ReadonlySet<unknown> = new Set(["completed", "failed", "expired", "cancelled"])
const outputFields = ["output_file_id", "error_file_id"] as const

const remoteJob = (body: unknown): RemoteJob | null => {
  if (!isJsonObject(body) || typeof body["id"] !== "string") return null
  const { metadata, usage } = body
  return {
    id: body["id"],
    object: body,
    ended: over.has(body["status"]),
    createdAt: seconds(body["created_at"]),
    inputs: [{ field: "input_file_id", remoteId: text(body["input_file_id"]) ?? "" }],
    outputs: outputFields.flatMap((role) => {
      const remoteId = text(body[role])
      return remoteId === null ? [] : [{ role, remoteId, purpose: "batch_output" as const }]
    }),
    metadata: isObject(metadata) ? (metadata as Readonly<Record<string, string>>) : {},
    tokens: isObject(usage)
      ? { input: Number(usage["input_tokens"]), cachedInput: 0, output: Number(usage["output_tokens"]) }
      : null
  }
}

const decodeFile = (body: unknown): Provider.Decoded<RemoteFile> => {
  const file = remoteFile(body)
  return file === null ? Result.fail("no file object") : Result.succeed(file)
}

export const wire = Provider.make({
  id: "wire",
  authorize: (_account, secret) => ({ authorization: `Bearer ${Redacted.value(secret)}` }),
  files: {
    maxBytes: 1_000_000,
    takes: () => true,
    life: { _tag: "Settable", shortest: 3_600, longest: 2_592_000 },
    poll: { first: 250, most: 250 },
    create: (upload) => {
      const expiry =
        upload.expiresAfter === null ? [] : [["expires_after[seconds]", String(upload.expiresAfter)] as const]
      const form = MultipartBody.encode(
        [["purpose", upload.purpose], ...expiry],
        { name: "file", ...upload },
        upload.nonce
      )
      const headers = { "content-type": form.contentType }
      const call = { name: "files.create", method: "POST", path: "/files", headers, body: form.body } as const
      return Provider.oneCall({ ...call, idempotent: false }, decodeFile)
    },
    retrieve: (id) => bodiless("files.retrieve", "GET", `/files/${id}`),
    content: (id) => bodiless("files.content", "GET", `/files/${id}/content`),
    remove: (id) => bodiless("files.delete", "DELETE", `/files/${id}`),
    list: (cursor) => bodiless("files.list", "GET", `/files${cursor === null ? "" : `?after=${cursor}`}`),
    decodeFile,
    decodePage: (body) => {
      if (!isObject(body) || !Array.isArray(body["data"])) return Result.fail("no list of files")
      const files = body["data"].flatMap((entry) => remoteFile(entry) ?? [])
      return Result.succeed({ files, next: body["has_more"] === true ? (files.at(-1)?.id ?? null) : null })
    }
  },
  chatCompletion: (body) => ({
    name: "chat.completions",
    method: "POST",
    path: "/chat/completions",
    headers: { "content-type": "application/json" },
    body,
    idempotent: false
  }),
  batches: {
    create: (body) => ({
      name: "batches.create",
      method: "POST",
      path: "/batches",
      headers: { "content-type": "application/json" },
      body: new TextEncoder().encode(JSON.stringify(body)),
      idempotent: false
    }),
    retrieve: (id) => bodiless("batches.retrieve", "GET", `/batches/${id}`),
    cancel: (id) => ({ ...bodiless("batches.cancel", "GET", `/batches/${id}/cancel`), method: "POST" }),
    list: () => bodiless("batches.list", "GET", "/batches"),
    decode: (body) => {
      const job = remoteJob(body)
      return job === null ? Result.fail("no batch object") : Result.succeed(job)
    },
    decodePage: (body) =>
      isObject(body) && Array.isArray(body["data"])
        ? Result.succeed({ jobs: body["data"].flatMap((entry) => remoteJob(entry) ?? []), next: null })
        : Result.fail("no list of batches")
  },
  decodeRefusal: (body) => {
    if (!isObject(body) || !isObject(body["error"])) return null
    const { code, message, param, type } = body["error"]
    if (typeof message !== "string") return null
    const meaning = Provider.refusalMeanings.find((known) => known === code) ?? null
    return { message, type: text(type), param: text(param), code: text(code), meaning }
  }
})
