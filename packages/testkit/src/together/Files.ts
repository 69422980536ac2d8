/**
 * Files of the Together API. An upload is asked for with a form that has no file; the answer is a redirect to where the
 * bytes are to be put. The file is there from the redirect on, but is processed only when its bytes have come.
 */
import { createHash } from "node:crypto"
import type { Account, StateKey } from "../openai/Account.ts"
import { of } from "../openai/Account.ts"
import * as Answer from "../openai/Answer.ts"
import { ApiError } from "../openai/Answer.ts"
import type { StoredFile } from "../openai/FileStore.ts"
import { readBody } from "../openai/Http.ts"
import type { Exchange } from "../openai/Http.ts"
import { newId } from "../openai/Ids.ts"
import { bodiless } from "../openai/Receiving.ts"
import type { Route } from "../openai/Route.ts"

interface Announced {
  readonly id: string
  readonly filename: string
  readonly fileType: string
  readonly purpose: string
  readonly createdAt: number
}

/** Files whose bytes have not come yet, by the signature of the address. */
const key: StateKey<Map<string, Announced>> = { symbol: Symbol("announced files"), make: () => new Map() }

/** Whether the signature is on an address that was given to the account. */
export const hasSigned = (account: Account, signature: string): boolean => of(account, key).has(signature)

const purposes = ["fine-tune", "eval", "eval-sample", "eval-output", "eval-summary", "batch-api"]
const types = ["csv", "jsonl", "parquet"]

const typeOf = (filename: string): string => filename.slice(filename.lastIndexOf(".") + 1)

const toObject = (file: StoredFile): Readonly<Record<string, unknown>> => ({
  id: file.id,
  object: "file",
  bytes: file.bytes,
  created_at: file.createdAt,
  filename: file.filename,
  purpose: file.purpose,
  FileType: typeOf(file.filename),
  LineCount: 0,
  Processed: file.state === "ready",
  processing_status: { processing: "RUNNING", ready: "COMPLETED", failed: "FAILED" }[file.state]
})

const announcedObject = ({ createdAt, fileType, filename, id, purpose }: Announced) => ({
  id,
  object: "file",
  bytes: 0,
  created_at: createdAt,
  filename,
  purpose,
  FileType: fileType,
  LineCount: 0,
  Processed: false,
  processing_status: "PENDING"
})

const create: Route = {
  name: "files.create",
  method: "POST",
  path: "/v1/files",
  receive: bodiless((exchange) => {
    const { account, now, query, request } = exchange
    const purpose = query.get("purpose") ?? ""
    const fileType = query.get("file_type") ?? ""
    const filename = query.get("file_name") ?? ""
    if (!purposes.includes(purpose)) throw new ApiError(400, `Invalid purpose: ${purpose}`, { param: "purpose" })
    if (!types.includes(fileType)) throw new ApiError(400, `Invalid file type: ${fileType}`, { param: "file_type" })
    if (filename === "") throw new ApiError(400, "file_name is required", { param: "file_name" })
    const signature = newId("")
    const id = newId("file-")
    of(account, key).set(signature, { id, filename, fileType, purpose, createdAt: Math.floor(now() / 1000) })
    const location = `http://${request.headers.host ?? ""}/storage/${id}?signature=${signature}`
    return Answer.bytes(302, { location, "x-together-file-id": id }, new Uint8Array(0))
  })
}

const put: Route = {
  name: "files.upload",
  method: "PUT",
  path: "/storage/:id",
  receive: async (exchange) => {
    const { account, entry, journal, keepBytes, query, request } = exchange
    const digest = createHash("sha256")
    const chunks: Array<Buffer> = []
    let bytes = 0
    for await (const chunk of readBody(exchange)) {
      digest.update(chunk)
      bytes += chunk.byteLength
      if (bytes <= keepBytes) chunks.push(chunk)
    }
    const sha256 = digest.digest("hex")
    const signature = query.get("signature") ?? ""
    const announced = of(account, key).get(signature)
    const contentType = request.headers["content-type"] ?? "application/octet-stream"
    const { filename } = announced ?? {}
    journal.update(entry, { upload: { partOrder: [], fields: [], filename, contentType, bytes, sha256 } })
    return () => {
      if (announced === undefined) throw new ApiError(403, "The signature does not match.")
      if (request.headers["content-length"] === undefined) throw new ApiError(411, "The length is required.")
      of(account, key).delete(signature)
      const { id, purpose } = announced
      const content = bytes > keepBytes ? undefined : Buffer.concat(chunks)
      account.files.add({
        id,
        filename: announced.filename,
        contentType,
        purpose,
        bytes,
        sha256,
        content,
        livesSeconds: undefined
      })
      return Answer.bytes(200, {}, new Uint8Array(0))
    }
  }
}

const requested = ({ account, params }: Exchange): StoredFile => {
  const id = params["id"] ?? ""
  const file = account.files.look(id)
  if (file === undefined) throw new ApiError(404, `File ${id} not found`)
  return file
}

const announcedAs = ({ account, params }: Exchange): readonly [signature: string, file: Announced] | undefined =>
  [...of(account, key)].find(([, { id }]) => id === params["id"])

const retrieve: Route = {
  name: "files.retrieve",
  method: "GET",
  path: "/v1/files/:id",
  receive: bodiless((exchange) => {
    const [, announced] = announcedAs(exchange) ?? []
    return Answer.json(200, announced === undefined ? toObject(requested(exchange)) : announcedObject(announced))
  })
}

const list: Route = {
  name: "files.list",
  method: "GET",
  path: "/v1/files",
  receive: bodiless(({ account }) =>
    Answer.json(200, {
      data: [...account.files.all().map(toObject), ...[...of(account, key).values()].map(announcedObject)]
    })
  )
}

const content: Route = {
  name: "files.content",
  method: "GET",
  path: "/v1/files/:id/content",
  receive: bodiless((exchange) =>
    Answer.bytes(200, { "content-type": "application/octet-stream" }, requested(exchange).content ?? new Uint8Array(0))
  )
}

const remove: Route = {
  name: "files.delete",
  method: "DELETE",
  path: "/v1/files/:id",
  receive: bodiless((exchange) => {
    const announced = announcedAs(exchange)
    const id = announced === undefined ? requested(exchange).id : announced[1].id
    if (announced !== undefined) of(exchange.account, key).delete(announced[0])
    exchange.account.files.delete(id)
    return Answer.json(200, { id, deleted: true })
  })
}

export const routes: ReadonlyArray<Route> = [create, put, list, retrieve, content, remove]
