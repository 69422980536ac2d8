/**
 * `/v1/files`: create, list, retrieve, content, delete.
 */
import * as Answer from "./Answer.ts"
import { ApiError } from "./Answer.ts"
import type { StoredFile } from "./FileStore.ts"
import type { Exchange } from "./Http.ts"
import { readBody } from "./Http.ts"
import type { FilePart, Form } from "./Multipart.ts"
import { readForm } from "./Multipart.ts"
import { bodiless } from "./Receiving.ts"
import type { Route } from "./Route.ts"

/** What APIs of this shape do each in their own way. */
export interface FileApi {
  readonly purposes: ReadonlyArray<string>
  /** Files for these can be used, and not downloaded. */
  readonly withoutDownload: ReadonlySet<string>
  /** The parts that an upload may have beside `file` and `purpose`, and what they say of a file's life in seconds. */
  readonly lifeParts: ReadonlyArray<string>
  readonly lifeOf: (field: FieldOf, purpose: string) => number | undefined
  /** Refuses a form for reasons of its own. */
  readonly check?: ((form: Form, purpose: string) => void) | undefined
  readonly newId?: ((purpose: string) => string) | undefined
  readonly toObject: (file: StoredFile) => Readonly<Record<string, unknown>>
  /** The answer to an upload. Default: the object. */
  readonly created?: ((file: StoredFile, exchange: Exchange) => Answer.Answer) | undefined
  /** The refusal of a file that there is no room for. Default: OpenAI's. */
  readonly full?: (() => ApiError) | undefined
  /** Whether lists come in pages. */
  readonly paged: boolean
}

export type FieldOf = (name: string) => string | undefined

const invalidValue = (param: string, value: string, supported: ReadonlyArray<string>): ApiError => {
  const list = supported.map((name) => `'${name}'`).join(", ")
  return new ApiError(400, `Invalid value: '${value}'. Supported values are: ${list}.`, {
    param,
    code: "invalid_value"
  })
}

const full = (): ApiError =>
  new ApiError(
    400,
    "You have exceeded your file storage quota. Organizations are limited to 100 GB of files. " +
      "Please delete old files or attempt with a smaller file size."
  )

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

const statuses = { processing: "uploaded", ready: "processed", failed: "error" } as const

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

/** OpenAI's `expires_after`, within so many seconds. */
export const anchoredLife =
  (shortest: number, longest: number): FileApi["lifeOf"] =>
  (field) => {
    const anchor = field("expires_after[anchor]")
    const seconds = field("expires_after[seconds]")
    if (anchor === undefined && seconds === undefined) return undefined
    if (anchor === undefined) throw missing("expires_after[anchor]")
    if (seconds === undefined) throw missing("expires_after[seconds]")
    if (anchor !== "created_at") throw invalidValue("expires_after[anchor]", anchor, ["created_at"])
    return integer("expires_after[seconds]", seconds, shortest, longest)
  }

export const anchoredLifeParts = ["expires_after[anchor]", "expires_after[seconds]"]

const validate = (
  api: FileApi,
  form: Form
): { readonly file: FilePart; readonly purpose: string; readonly livesSeconds: number | undefined } => {
  if (form.malformed !== undefined) throw new ApiError(400, `Could not parse multipart form: ${form.malformed}`)
  const knownParts = ["file", "purpose", ...api.lifeParts]
  for (const [index, name] of form.partOrder.entries()) {
    if (!knownParts.includes(name)) {
      throw new ApiError(400, `Unknown parameter: '${name}'.`, { param: name, code: "unknown_parameter" })
    }
    if (form.partOrder.indexOf(name) !== index) {
      throw new ApiError(400, `Duplicate parameter: '${name}'.`, { param: name, code: "duplicate_parameter" })
    }
  }
  const field: FieldOf = (name) => form.fields.find((candidate) => candidate.name === name)?.value
  const file = form.files.find(({ name }) => name === "file")
  if (file === undefined) throw missing("file")
  const purpose = field("purpose")
  if (purpose === undefined) throw missing("purpose")
  if (!api.purposes.includes(purpose)) throw invalidValue("purpose", purpose, api.purposes)
  api.check?.(form, purpose)
  return { file, purpose, livesSeconds: api.lifeOf(field, purpose) }
}

const outputPurposes = ["assistants_output", "batch_output", "fine-tune-results"]

/** The routes of an API of this shape. */
export const make = (api: FileApi): ReadonlyArray<Route> => {
  const requested = ({ account, params }: Exchange): StoredFile => {
    const id = params["id"] ?? ""
    const file = account.files.look(id)
    if (file === undefined) throw new ApiError(404, `No such File object: ${id}`, { param: "id" })
    return file
  }

  const create: Route = {
    name: "files.create",
    method: "POST",
    path: "/v1/files",
    receive: async (exchange) => {
      const form = await readUpload(exchange)
      return () => {
        const { file, livesSeconds, purpose } = validate(api, form)
        const { bytes, content, contentType, filename, sha256 } = file
        const { files } = exchange.account
        if (!files.fits(bytes)) throw (api.full ?? full)()
        const upload = {
          filename,
          contentType,
          bytes,
          sha256,
          content,
          purpose,
          livesSeconds,
          id: api.newId?.(purpose)
        }
        const stored = files.add(upload)
        return api.created?.(stored, exchange) ?? Answer.json(200, api.toObject(stored))
      }
    }
  }

  const list: Route = {
    name: "files.list",
    method: "GET",
    path: "/v1/files",
    receive: bodiless(({ account, query }) => {
      if (!api.paged) return Answer.json(200, { object: "list", data: account.files.all().map(api.toObject) })
      const listable = [...api.purposes, ...outputPurposes]
      const order = query.get("order") ?? "desc"
      if (order !== "asc" && order !== "desc") throw invalidValue("order", order, ["asc", "desc"])
      const purpose = query.get("purpose") ?? undefined
      if (purpose !== undefined && !listable.includes(purpose)) throw invalidValue("purpose", purpose, listable)
      const limit = integer("limit", query.get("limit") ?? "10000", 1, 10_000)
      const page = account.files.list({ after: query.get("after") ?? undefined, limit, order, purpose })
      return Answer.json(200, {
        object: "list",
        data: page.data.map(api.toObject),
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
    receive: bodiless((exchange) => Answer.json(200, api.toObject(requested(exchange))))
  }

  const content: Route = {
    name: "files.content",
    method: "GET",
    path: "/v1/files/:id/content",
    receive: bodiless((exchange) => {
      const file = requested(exchange)
      if (api.withoutDownload.has(file.purpose)) {
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

  return [create, list, retrieve, content, remove]
}

const batchLifeSeconds = 30 * 24 * 3600
const openaiLife = anchoredLife(3600, 2_592_000)

/** OpenAI's own. */
export const openai: FileApi = {
  purposes: ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"],
  withoutDownload: new Set(["assistants", "vision", "user_data"]),
  lifeParts: anchoredLifeParts,
  lifeOf: (field, purpose) => openaiLife(field, purpose) ?? (purpose === "batch" ? batchLifeSeconds : undefined),
  toObject: (file) => toObject(file),
  paged: true
}

export const routes: ReadonlyArray<Route> = make(openai)
