/**
 * `/v1/files` on Anthropic's wire, in both of its shapes: with the header `anthropic-beta: files-api-2025-04-14` lists
 * are paged by IDs, without it by pages.
 */
import type { Account } from "../openai/Account.ts"
import * as Answer from "../openai/Answer.ts"
import { ApiError } from "../openai/Answer.ts"
import { readUpload } from "../openai/Files.ts"
import type { StoredFile } from "../openai/FileStore.ts"
import type { Exchange } from "../openai/Http.ts"
import { bodiless } from "../openai/Receiving.ts"
import type { Route } from "../openai/Route.ts"

/** The purpose of files that a tool has made: only they can be downloaded. */
const output = "output"

const shortestLifeSeconds = 3_600
const longestLifeSeconds = 7_776_000
const longestList = 1_000

const isBeta = ({ request }: Exchange): boolean =>
  String(request.headers["anthropic-beta"] ?? "").includes("files-api-2025-04-14")

const time = (seconds: number): string => new Date(seconds * 1000).toISOString()

const toObject = (file: StoredFile): Record<string, unknown> => ({
  id: file.id,
  type: "file",
  filename: file.filename,
  mime_type: file.contentType,
  size_bytes: file.bytes,
  created_at: time(file.createdAt),
  downloadable: file.purpose === output,
  expires_at: file.expiresAt === undefined ? null : time(file.expiresAt)
})

/** A file that can be used. One that has expired is told from one that never was. */
export const usable = (account: Account, id: string): StoredFile => {
  const file = account.files.get(id)
  if (file !== undefined) return file
  if (account.files.expired(id) === undefined) throw new ApiError(404, `File not found: ${id}`)
  throw new ApiError(404, `File ${id} has expired.`, { code: "file_expired" })
}

const requested = ({ account, params }: Exchange): StoredFile => usable(account, params["id"] ?? "")

/** Puts a file of a tool's making into an account. */
export const addOutput = (
  account: Account,
  file: Pick<StoredFile, "filename" | "contentType" | "bytes" | "sha256" | "content">
): StoredFile => account.files.add({ ...file, purpose: output, livesSeconds: undefined, made: true })

const create: Route = {
  name: "files.create",
  method: "POST",
  path: "/v1/files",
  receive: async (exchange) => {
    const form = await readUpload(exchange)
    return () => {
      if (form.malformed !== undefined) throw new ApiError(400, form.malformed)
      const unknown = form.partOrder.find((name) => name !== "file" && name !== "expires_in_seconds")
      if (unknown !== undefined) throw new ApiError(400, `${unknown}: Extra inputs are not permitted`)
      const file = form.files.find(({ name }) => name === "file")
      if (file === undefined) throw new ApiError(400, "file: Field required")
      const life = form.fields.find(({ name }) => name === "expires_in_seconds")?.value
      const livesSeconds = life === undefined ? undefined : Number(life)
      if (livesSeconds !== undefined && !(livesSeconds >= shortestLifeSeconds && livesSeconds <= longestLifeSeconds)) {
        throw new ApiError(400, "expires_in_seconds: Input should be between 3600 and 7776000")
      }
      if (!exchange.account.files.fits(file.bytes)) {
        throw new ApiError(400, "The organization's file storage quota is exhausted.", {
          code: "storage_quota_exceeded"
        })
      }
      const { bytes, content, contentType, filename, sha256 } = file
      const stored = { bytes, content, contentType, filename, sha256, livesSeconds, purpose: "input" }
      return Answer.json(200, toObject(exchange.account.files.add(stored)))
    }
  }
}

const list: Route = {
  name: "files.list",
  method: "GET",
  path: "/v1/files",
  receive: bodiless((exchange) => {
    const { account, query } = exchange
    const limit = Number(query.get("limit") ?? "20")
    if (!(limit >= 1 && limit <= longestList)) throw new ApiError(400, "limit: Input should be from 1 to 1000")
    const beta = isBeta(exchange)
    const after = query.get(beta ? "after_id" : "page") ?? undefined
    const page = account.files.list({ after, limit, order: "desc", purpose: undefined })
    const data = page.data.map(toObject)
    const last = page.data.at(-1)?.id ?? null
    return beta
      ? Answer.json(200, { data, has_more: page.hasMore, first_id: page.data.at(0)?.id ?? null, last_id: last })
      : Answer.json(200, { data, next_page: page.hasMore ? last : null })
  })
}

const retrieve: Route = {
  name: "files.retrieve",
  method: "GET",
  path: "/v1/files/:id",
  // What is known of an expired file stays readable; its content does not.
  receive: bodiless((exchange) => {
    const { account, params } = exchange
    return Answer.json(200, toObject(account.files.expired(params["id"] ?? "") ?? requested(exchange)))
  })
}

const content: Route = {
  name: "files.content",
  method: "GET",
  path: "/v1/files/:id/content",
  receive: bodiless((exchange) => {
    const file = requested(exchange)
    if (file.purpose !== output) {
      throw new ApiError(400, "This file is not downloadable.", { code: "file_not_downloadable" })
    }
    return Answer.bytes(200, { "content-type": file.contentType }, file.content ?? new Uint8Array(0))
  })
}

const remove: Route = {
  name: "files.delete",
  method: "DELETE",
  path: "/v1/files/:id",
  receive: bodiless((exchange) => {
    const { account, params } = exchange
    const { id } = account.files.expired(params["id"] ?? "") ?? requested(exchange)
    exchange.account.files.delete(id)
    return Answer.json(200, { id, type: "file_deleted" })
  })
}

export const routes: ReadonlyArray<Route> = [create, list, retrieve, content, remove]
