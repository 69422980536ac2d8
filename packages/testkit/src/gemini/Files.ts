/** Files: get, list, delete, and the download of those that the API has made itself. */
import * as Answer from "../openai/Answer.ts"
import { ApiError } from "../openai/Answer.ts"
import type { Account } from "../openai/Account.ts"
import type { StoredFile } from "../openai/FileStore.ts"
import type { Exchange } from "../openai/Http.ts"
import { bodiless } from "../openai/Receiving.ts"
import type { Route } from "../openai/Route.ts"
import { originOf, time, versioned } from "./Names.ts"

/** The purpose of files that the API has made: only they can be downloaded. */
export const generated = "generated"

/** Uploaded files live two days, and nobody can say otherwise. */
export const lifeSeconds = 48 * 3600

const states = { processing: "PROCESSING", ready: "ACTIVE", failed: "FAILED" } as const

export const toObject = (file: StoredFile, exchange: Exchange): Readonly<Record<string, unknown>> => {
  const uri = `${originOf(exchange)}/v1beta/${file.id}`
  return {
    name: file.id,
    ...(file.filename === "" ? {} : { displayName: file.filename }),
    mimeType: file.contentType,
    sizeBytes: String(file.bytes),
    createTime: time(file.createdAt * 1000),
    updateTime: time(file.createdAt * 1000),
    ...(file.expiresAt === undefined ? {} : { expirationTime: time(file.expiresAt * 1000) }),
    // In base64 the digits of the digest, not its bytes.
    sha256Hash: Buffer.from(file.sha256).toString("base64"),
    uri,
    ...(file.purpose === generated ? { downloadUri: `${uri}:download?alt=media` } : {}),
    state: states[file.state],
    source: file.purpose === generated ? "GENERATED" : "UPLOADED",
    ...(file.state === "failed" ? { error: { code: 3, message: "The file could not be processed." } } : {})
  }
}

/** A file that is not there, any more or at all, and one of somebody else are refused alike. */
export const existing = (account: Account, name: string, look = false): StoredFile => {
  const file = look ? account.files.look(name) : account.files.get(name)
  if (file !== undefined) return file
  const id = name.replace("files/", "")
  throw new ApiError(403, `You do not have permission to access the File ${id} or it may not exist.`)
}

const requested = ({ account, params }: Exchange, look = false): StoredFile =>
  existing(account, `files/${params["id"] ?? ""}`, look)

const retrieve: Route = {
  name: "files.retrieve",
  method: "GET",
  path: "/files/:id",
  receive: bodiless((exchange) => Answer.json(200, toObject(requested(exchange, true), exchange)))
}

const list: Route = {
  name: "files.list",
  method: "GET",
  path: "/files",
  receive: bodiless((exchange) => {
    const limit = Number(exchange.query.get("pageSize") ?? "10")
    if (!(limit >= 1 && limit <= 100)) throw new ApiError(400, "page_size must be within 1 and 100.")
    const page = exchange.account.files.list({
      after: exchange.query.get("pageToken") ?? undefined,
      limit,
      order: "desc",
      purpose: undefined
    })
    // As everywhere in this API, what is empty is left out.
    return Answer.json(200, {
      ...(page.data.length === 0 ? {} : { files: page.data.map((file) => toObject(file, exchange)) }),
      ...(page.hasMore ? { nextPageToken: page.data.at(-1)?.id } : {})
    })
  })
}

const remove: Route = {
  name: "files.delete",
  method: "DELETE",
  path: "/files/:id",
  receive: bodiless((exchange) => {
    exchange.account.files.delete(requested(exchange).id)
    return Answer.json(200, {})
  })
}

const download: Route = {
  name: "files.content",
  method: "GET",
  path: "/files/:id:download",
  receive: bodiless((exchange) => {
    const file = requested(exchange)
    if (file.purpose !== generated) {
      throw new ApiError(400, "Only files that were generated can be downloaded.", { code: "FAILED_PRECONDITION" })
    }
    if (exchange.query.get("alt") !== "media") throw new ApiError(400, "The download of a file needs alt=media.")
    return Answer.bytes(200, { "content-type": file.contentType }, file.content ?? new Uint8Array(0))
  })
}

export const routes: ReadonlyArray<Route> = [
  ...versioned([download, retrieve, list, remove]),
  ...versioned([download], "/download")
]
