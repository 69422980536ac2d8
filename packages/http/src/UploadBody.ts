/** The bodies of `/v1/uploads`, from JSON to the values of operations. */
import { invalid, type InvalidRequest } from "@omnifile/core/CallError"
import { isObject, type Json, type JsonObject } from "@omnifile/core/Json"
import type { CompleteUpload, CreateUpload } from "@omnifile/core/UploadOperation"
import * as Effect from "effect/Effect"
import * as FileForm from "./FileForm.ts"

/** Parts of one byte each would be as many; no client comes near it. */
const maxParts = 100_000

/** A field that may be absent; null counts as that. */
const present = (body: JsonObject, name: string): Json | undefined => body[name] ?? undefined

const required = Effect.fnUntraced(function* (body: JsonObject, name: string) {
  const value = present(body, name)
  if (value === undefined) return yield* invalid(`Missing required parameter: '${name}'.`, name)
  return value
})

const requiredText = Effect.fnUntraced(function* (body: JsonObject, name: string) {
  const value = yield* required(body, name)
  return typeof value === "string" ? value : yield* invalid(`\`${name}\` must be a string.`, name)
})

const bytesOf = Effect.fnUntraced(function* (body: JsonObject) {
  const bytes = yield* required(body, "bytes")
  if (typeof bytes === "number" && Number.isSafeInteger(bytes) && bytes >= 1) return bytes
  return yield* invalid("`bytes` must be a whole number, 1 or more.", "bytes")
})

const isText = (value: unknown): value is string => typeof value === "string"

/** The fields that uploads have in common with `/v1/files`, in the form in which they come there. */
const formFields = Effect.fnUntraced(function* (body: JsonObject) {
  const fields = new Map<string, ReadonlyArray<string>>()
  fields.set("purpose", [yield* requiredText(body, "purpose")])
  const models = present(body, "target_model_names")
  if (models !== undefined) {
    const names = isText(models) ? [models] : models
    if (!Array.isArray(names) || !names.every(isText)) {
      return yield* invalid("`target_model_names` must be a list of names.", "target_model_names")
    }
    fields.set("target_model_names", names)
  }
  const expiry = present(body, "expires_after")
  if (expiry !== undefined) {
    if (!isObject(expiry)) return yield* invalid("`expires_after` must be an object.", "expires_after")
    for (const name of ["anchor", "seconds"]) {
      const field = `expires_after[${name}]`
      const value = present(expiry, name)
      if (value === undefined) return yield* invalid(`Missing required parameter: '${field}'.`, field)
      fields.set(field, [String(value)])
    }
  }
  return fields
})

export const parseCreate: (
  body: JsonObject,
  idempotencyKey: string | null
) => Effect.Effect<CreateUpload, InvalidRequest> = Effect.fnUntraced(function* (body, idempotencyKey) {
  const filename = yield* FileForm.parseFilename(yield* requiredText(body, "filename"), "filename")
  const bytes = yield* bytesOf(body)
  const mimeType = yield* requiredText(body, "mime_type")
  const fields = yield* FileForm.parse(yield* formFields(body))
  return { _tag: "CreateUpload", filename, bytes, mimeType, ...fields, idempotencyKey }
})

const md5Of = Effect.fnUntraced(function* (body: JsonObject) {
  const md5 = present(body, "md5")
  if (md5 === undefined) return null
  if (isText(md5) && /^[0-9a-f]{32}$/i.test(md5)) return md5.toLowerCase()
  return yield* invalid("`md5` must be a checksum of 32 hexadecimal digits.", "md5")
})

export const parseComplete: (body: JsonObject, id: string) => Effect.Effect<CompleteUpload, InvalidRequest> =
  Effect.fnUntraced(function* (body, id) {
    const parts = yield* required(body, "part_ids")
    if (!Array.isArray(parts) || !parts.every(isText)) {
      return yield* invalid("`part_ids` must be a list of part IDs.", "part_ids")
    }
    if (parts.length === 0 || parts.length > maxParts) {
      return yield* invalid(`\`part_ids\` must name 1 to ${maxParts} parts.`, "part_ids")
    }
    return { _tag: "CompleteUpload", id, parts, md5: yield* md5Of(body) }
  })
