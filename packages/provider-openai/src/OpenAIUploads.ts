/** OpenAI's Uploads API: https://platform.openai.com/docs/api-reference/uploads */
import { isObject } from "@omnifile/core/Json"
import * as MultipartBody from "@omnifile/core/MultipartBody"
import type { Decoded, FileProtocol, PartProtocol, ProviderCall } from "@omnifile/core/Provider"
import { bodiless, withJson } from "@omnifile/core/ProviderCalls"
import * as Result from "effect/Result"

export interface PartLimits {
  /** The most bytes of a file. */
  readonly maxBytes: number
  /** The most bytes of a part. */
  readonly partBytes: number
}

interface Options extends PartLimits {
  /** Whether uploads take `expires_after`. */
  readonly expiresAfter: boolean
}

const encoder = new TextEncoder()

const path = (upload: string): string => `/uploads/${encodeURIComponent(upload)}`

const post = (name: string, at: string, value: unknown): ProviderCall =>
  withJson(name, at, encoder.encode(JSON.stringify(value)))

const decodeId = (body: unknown): Decoded<string> => {
  const id = isObject(body) ? body["id"] : undefined
  return typeof id === "string" && id !== "" ? Result.succeed(id) : Result.fail("no upload and no part of one")
}

export const make = (
  { expiresAfter, maxBytes, partBytes }: Options,
  decodeFile: FileProtocol["decodeFile"]
): PartProtocol => ({
  maxBytes,
  partBytes,
  begin: (file) => ({
    ...post("uploads.create", "/uploads", {
      filename: file.filename,
      bytes: file.length,
      mime_type: file.contentType,
      purpose: file.purpose,
      ...(expiresAfter && file.expiresAfter !== null
        ? { expires_after: { anchor: "created_at", seconds: file.expiresAfter } }
        : {})
    }),
    // Twice leaves an upload that nobody completes, which expires.
    idempotent: true
  }),
  add: (upload, part) => {
    const file = { name: "data", filename: "part", contentType: "application/octet-stream", ...part }
    const form = MultipartBody.encode([], file, part.nonce)
    return {
      name: "uploads.parts.create",
      method: "POST",
      path: `${path(upload)}/parts`,
      headers: { "content-type": form.contentType },
      body: form.body,
      // A part that is not named when the upload is completed is no part of the file.
      idempotent: true
    }
  },
  complete: (upload, parts) => post("uploads.complete", `${path(upload)}/complete`, { part_ids: parts }),
  cancel: (upload) => bodiless("uploads.cancel", "POST", `${path(upload)}/cancel`),
  decodeId,
  decodeCompleted: (body) =>
    isObject(body) && isObject(body["file"]) ? decodeFile(body["file"]) : Result.fail("no completed upload")
})
