/** `/v1/uploads`: create, add a part, complete, cancel. Parts are kept in memory, so they must be small. */
import type { StateKey } from "./Account.ts"
import { of } from "./Account.ts"
import * as Answer from "./Answer.ts"
import { ApiError } from "./Answer.ts"
import { toObject } from "./Files.ts"
import type { Exchange } from "./Http.ts"
import { readBody } from "./Http.ts"
import { newId } from "./Ids.ts"
import * as MadeContent from "./MadeContent.ts"
import { readForm } from "./Multipart.ts"
import { bodiless, withJson } from "./Receiving.ts"
import type { Route } from "./Route.ts"

interface Upload {
  readonly id: string
  status: "pending" | "completed" | "cancelled"
  readonly filename: string
  readonly bytes: number
  readonly mimeType: string
  readonly purpose: string
  readonly livesSeconds: number | undefined
  readonly createdAt: number
  readonly parts: Map<string, Uint8Array>
}

const key: StateKey<Map<string, Upload>> = { symbol: Symbol("uploads"), make: () => new Map() }

const lifeSeconds = 3_600

const toUpload = (upload: Upload, file: Record<string, unknown> | null = null): Record<string, unknown> => ({
  id: upload.id,
  object: "upload",
  bytes: upload.bytes,
  created_at: upload.createdAt,
  expires_at: upload.createdAt + lifeSeconds,
  filename: upload.filename,
  purpose: upload.purpose,
  status: upload.status,
  file
})

const pending = ({ account, params }: Exchange): Upload => {
  const id = params["id"] ?? ""
  const upload = of(account, key).get(id)
  if (upload === undefined) throw new ApiError(404, `No such Upload object: ${id}`, { param: "upload_id" })
  if (upload.status !== "pending") throw new ApiError(400, `Upload ${id} is already ${upload.status}.`)
  return upload
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {}

const text = (fields: Readonly<Record<string, unknown>>, name: string): string => {
  const value = fields[name]
  if (typeof value === "string") return value
  throw new ApiError(400, `Missing required parameter: '${name}'.`, { param: name })
}

const create: Route = {
  name: "uploads.create",
  method: "POST",
  path: "/v1/uploads",
  receive: withJson((exchange, body) => {
    const fields = fieldsOf(body())
    const { bytes } = fields
    if (typeof bytes !== "number") throw new ApiError(400, "Missing required parameter: 'bytes'.", { param: "bytes" })
    const { seconds } = fieldsOf(fields["expires_after"])
    const upload: Upload = {
      id: newId("upload_"),
      status: "pending",
      filename: text(fields, "filename"),
      bytes,
      mimeType: text(fields, "mime_type"),
      purpose: text(fields, "purpose"),
      livesSeconds: typeof seconds === "number" ? seconds : undefined,
      createdAt: Math.floor(exchange.now() / 1000),
      parts: new Map()
    }
    of(exchange.account, key).set(upload.id, upload)
    return Answer.json(200, toUpload(upload))
  })
}

const addPart: Route = {
  name: "uploads.parts.create",
  method: "POST",
  path: "/v1/uploads/:id/parts",
  receive: async (exchange) => {
    const { headers } = exchange.request
    const form = await readForm(readBody(exchange), { headers, keepBytes: exchange.keepBytes })
    return () => {
      const upload = pending(exchange)
      const data = form.files.find(({ name }) => name === "data")
      if (data?.content === undefined) throw new ApiError(400, "Missing required parameter: 'data'.", { param: "data" })
      const id = newId("part_")
      upload.parts.set(id, data.content)
      return Answer.json(200, { id, object: "upload.part", created_at: upload.createdAt, upload_id: upload.id })
    }
  }
}

const complete: Route = {
  name: "uploads.complete",
  method: "POST",
  path: "/v1/uploads/:id/complete",
  receive: withJson((exchange, body) => {
    const upload = pending(exchange)
    const named = fieldsOf(body())["part_ids"]
    const chunks = (Array.isArray(named) ? named : []).map((id: unknown) => {
      const chunk = upload.parts.get(String(id))
      if (chunk === undefined) throw new ApiError(400, `No such part: ${String(id)}`, { param: "part_ids" })
      return chunk
    })
    const content = Buffer.concat(chunks)
    if (content.byteLength !== upload.bytes) {
      throw new ApiError(400, `The parts have ${content.byteLength} bytes, not ${upload.bytes}.`)
    }
    upload.status = "completed"
    const file = exchange.account.files.add({
      filename: upload.filename,
      contentType: upload.mimeType,
      purpose: upload.purpose,
      ...MadeContent.fieldsOf(content),
      ...(content.byteLength > exchange.keepBytes ? { content: undefined } : {}),
      livesSeconds: upload.livesSeconds
    })
    return Answer.json(200, toUpload(upload, toObject(file)))
  })
}

const cancel: Route = {
  name: "uploads.cancel",
  method: "POST",
  path: "/v1/uploads/:id/cancel",
  receive: bodiless((exchange) => {
    const upload = pending(exchange)
    upload.status = "cancelled"
    upload.parts.clear()
    return Answer.json(200, toUpload(upload))
  })
}

export const routes: ReadonlyArray<Route> = [create, addPart, complete, cancel]
