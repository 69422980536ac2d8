/**
 * `/v1/files`: create, list, retrieve, content, delete.
 */
import * as Answer from "./Answer.ts"
import { ApiError } from "./Answer.ts"
import type { StoredFile } from "./FileStore.ts"
import type { Exchange } from "./Http.ts"
import { drain, readBody } from "./Http.ts"
import type { FilePart, Form } from "./Multipart.ts"
import { readForm } from "./Multipart.ts"
import type { Operation, Route } from "./Route.ts"

const purposes = ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
const listablePurposes = [...purposes, "assistants_output", "batch_output", "fine-tune-results"]
const purposesWithoutDownload = new Set(["assistants", "vision", "user_data"])

const batchLifeSeconds = 30 * 24 * 3600
const shortestLifeSeconds = 3600
const longestLifeSeconds = 2_592_000

const invalidValue = (param: string, value: string, supported: ReadonlyArray<string>): ApiError => {
  const list = supported.map((name) => `'${name}'`).join(", ")
  return new ApiError(400, `Invalid value: '${value}'. Supported values are: ${list}.`, {
    param,
    code: "invalid_value"
  })
}

const missing = (param: string): ApiError =>
  new ApiError(400, `Missing required parameter: '${param}'.`, { param, code: "missing_required_parameter" })

/** Reads an integer as OpenAI's validator does, with its messages. */
export const integer = (param: string, text: string, least: number, most: number): number => {
  if (!/^-?\d+$/.test(text)) {
    const message = `Invalid type for '${param}': expected an integer, but got a string instead.`
    throw new ApiError(400, message, { param, code: "invalid_type" })
  }
  const value = Number(text)
  if (value < least) {
    const message = `Invalid '${param}': integer below minimum value. Expected a value >= ${least}, but got ${text} instead.`
    throw new ApiError(400, message, { param, code: "integer_below_min_value" })
  }
  if (value > most) {
    const message = `Invalid '${param}': integer above maximum value. Expected a value <= ${most}, but got ${text} instead.`
    throw new ApiError(400, message, { param, code: "integer_above_max_value" })
  }
  return value
}

export const toObject = (file: StoredFile): Record<string, unknown> => ({
  object: "file",
  id: file.id,
  purpose: file.purpose,
  filename: file.filename,
  bytes: file.bytes,
  created_at: file.createdAt,
  ...(file.expiresAt === undefined ? {} : { expires_at: file.expiresAt }),
  status: statuses[file.state]
})

const statuses = { processing: "uploaded", ready: "processed", failed: "error" } as const

const requested = ({ account, params }: Exchange): StoredFile => {
  const id = params["id"] ?? ""
  const file = account.files.look(id)
  if (file === undefined) throw new ApiError(404, `No such File object: ${id}`, { param: "id" })
  return file
}

/** Reads the form of an upload and journals what it holds. */
export const readUpload = async (exchange: Exchange): Promise<Form> => {
  const form = await readForm(readBody(exchange), {
    headers: exchange.request.headers,
    keepBytes: exchange.keepBytes
  })
  const part = form.files.find(({ name }) => name === "file")
  exchange.journal.update(exchange.entry, {
    upload: {
      partOrder: form.partOrder,
      fields: form.fields,
      filename: part?.filename,
      contentType: part?.contentType,
      bytes: part?.bytes ?? 0,
      sha256: part?.sha256
    }
  })
  return form
}

const create: Route = {
  name: "files.create",
  method: "POST",
  path: "/v1/files",
  receive: async (exchange) => {
    const form = await readUpload(exchange)
    return () => {
      const { file, purpose, livesSeconds } = validate(form)
      const { filename, contentType, bytes, sha256, content } = file
      const upload = { filename, contentType, bytes, sha256, content, purpose, livesSeconds }
      return Answer.json(200, toObject(exchange.account.files.add(upload)))
    }
  }
}

const knownParts = ["file", "purpose", "expires_after[anchor]", "expires_after[seconds]"]

const validate = (
  form: Form
): { readonly file: FilePart; readonly purpose: string; readonly livesSeconds: number | undefined } => {
  if (form.malformed !== undefined) throw new ApiError(400, `Could not parse multipart form: ${form.malformed}`)
  for (const [index, name] of form.partOrder.entries()) {
    if (!knownParts.includes(name)) {
      throw new ApiError(400, `Unknown parameter: '${name}'.`, { param: name, code: "unknown_parameter" })
    }
    if (form.partOrder.indexOf(name) !== index) {
      throw new ApiError(400, `Duplicate parameter: '${name}'.`, { param: name, code: "duplicate_parameter" })
    }
  }
  const field = (name: string): string | undefined => form.fields.find((candidate) => candidate.name === name)?.value

  const file = form.files.find(({ name }) => name === "file")
  if (file === undefined) throw missing("file")
  const purpose = field("purpose")
  if (purpose === undefined) throw missing("purpose")
  if (!purposes.includes(purpose)) throw invalidValue("purpose", purpose, purposes)
  const anchor = field("expires_after[anchor]")
  const seconds = field("expires_after[seconds]")
  if (anchor === undefined && seconds === undefined) {
    return { file, purpose, livesSeconds: purpose === "batch" ? batchLifeSeconds : undefined }
  }
  if (anchor === undefined) throw missing("expires_after[anchor]")
  if (seconds === undefined) throw missing("expires_after[seconds]")
  if (anchor !== "created_at") throw invalidValue("expires_after[anchor]", anchor, ["created_at"])
  const livesSeconds = integer("expires_after[seconds]", seconds, shortestLifeSeconds, longestLifeSeconds)
  return { file, purpose, livesSeconds }
}

/** A route whose request has no body worth reading. */
export const bodiless =
  (operation: (exchange: Exchange) => Answer.Answer): Route["receive"] =>
  async (exchange): Promise<Operation> => {
    await drain(exchange)
    return () => operation(exchange)
  }

const list: Route = {
  name: "files.list",
  method: "GET",
  path: "/v1/files",
  receive: bodiless(({ account, query }) => {
    const order = query.get("order") ?? "desc"
    if (order !== "asc" && order !== "desc") throw invalidValue("order", order, ["asc", "desc"])
    const purpose = query.get("purpose") ?? undefined
    if (purpose !== undefined && !listablePurposes.includes(purpose)) {
      throw invalidValue("purpose", purpose, listablePurposes)
    }
    const limit = integer("limit", query.get("limit") ?? "10000", 1, 10_000)
    const page = account.files.list({ after: query.get("after") ?? undefined, limit, order, purpose })
    return Answer.json(200, {
      object: "list",
      data: page.data.map(toObject),
      first_id: page.data.at(0)?.id ?? null,
      last_id: page.data.at(-1)?.id ?? null,
      has_more: page.hasMore
    })
  })
}

const retrieve: Route = {
  name: "files.retrieve",
  method: "GET",
  path: "/v1/files/:id",
  receive: bodiless((exchange) => Answer.json(200, toObject(requested(exchange))))
}

const content: Route = {
  name: "files.content",
  method: "GET",
  path: "/v1/files/:id/content",
  receive: bodiless((exchange) => {
    const file = requested(exchange)
    if (purposesWithoutDownload.has(file.purpose)) {
      throw new ApiError(400, `Not allowed to download files of purpose: ${file.purpose}`)
    }
    if (file.content === undefined) {
      const message = `The emulator keeps only size and digest of files over ${exchange.keepBytes} bytes.`
      throw new ApiError(400, message, { code: "content_not_kept" })
    }
    const headers = {
      "content-type": "application/octet-stream",
      "content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(file.filename)}`
    }
    return Answer.bytes(200, headers, file.content)
  })
}

const remove: Route = {
  name: "files.delete",
  method: "DELETE",
  path: "/v1/files/:id",
  receive: bodiless((exchange) => {
    const { id } = requested(exchange)
    exchange.account.files.delete(id)
    return Answer.json(200, { object: "file", deleted: true, id })
  })
}

export const routes: ReadonlyArray<Route> = [create, list, retrieve, content, remove]
