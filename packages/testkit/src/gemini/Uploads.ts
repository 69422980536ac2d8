/**
 * Uploads in two steps: `start` names the file and answers an address, to which the bytes go, in one piece or several.
 * Until the last piece there is no file.
 */
import { createHash } from "node:crypto"
import type { Hash } from "node:crypto"
import type { Account, StateKey } from "../openai/Account.ts"
import { of } from "../openai/Account.ts"
import * as Answer from "../openai/Answer.ts"
import { ApiError } from "../openai/Answer.ts"
import { isRecord } from "../openai/Chat.ts"
import { readBody } from "../openai/Http.ts"
import type { Exchange } from "../openai/Http.ts"
import { newId } from "../openai/Ids.ts"
import { withJson } from "../openai/Receiving.ts"
import type { Route } from "../openai/Route.ts"
import { lifeSeconds, toObject } from "./Files.ts"
import { originOf, versioned } from "./Names.ts"

interface Upload {
  readonly displayName: string
  readonly contentType: string
  /** What was announced. */
  readonly length: number | undefined
  readonly name: string | undefined
  readonly digest: Hash
  chunks: Array<Buffer> | undefined
  received: number
}

const key: StateKey<Map<string, Upload>> = { symbol: Symbol("resumable uploads"), make: () => new Map() }

/** Whether the address of an upload was given to this account. */
export const isOf = (account: Account, upload: string): boolean => of(account, key).has(upload)

const longestDisplayName = 512

const header = ({ request }: Exchange, name: string): string | undefined => {
  const value = request.headers[`x-goog-upload-${name}`]
  return typeof value === "string" ? value : undefined
}

const requireRoom = (account: Account, bytes: number): void => {
  if (account.files.fits(bytes)) return
  const metric = "generativelanguage.googleapis.com/file_storage_bytes"
  const violation = { quotaMetric: metric, quotaId: "FileStorageBytesPerProject" }
  throw new ApiError(429, `You exceeded your current quota.\n* Quota exceeded for metric: ${metric}`, {
    more: { details: [{ "@type": "type.googleapis.com/google.rpc.QuotaFailure", violations: [violation] }] }
  })
}

const start: Route = {
  name: "files.create",
  method: "POST",
  path: "/files",
  receive: withJson((exchange, parse) => {
    const { account } = exchange
    if (header(exchange, "protocol") !== "resumable" || header(exchange, "command") !== "start") {
      throw new ApiError(400, "The emulator takes uploads of the resumable protocol only.")
    }
    const body = parse()
    const file = isRecord(body) && isRecord(body["file"]) ? body["file"] : {}
    const text = (...names: ReadonlyArray<string>): string | undefined =>
      names.map((name) => file[name]).find((value) => typeof value === "string")
    const displayName = text("displayName", "display_name") ?? ""
    if ([...displayName].length > longestDisplayName) {
      throw new ApiError(400, `file.display_name must be at most ${longestDisplayName} characters.`)
    }
    const name = text("name")
    if (name !== undefined && account.files.get(name) !== undefined) {
      throw new ApiError(409, `The File ${name} already exists.`)
    }
    const contentType = header(exchange, "header-content-type") ?? text("mimeType", "mime_type")
    if (contentType === undefined) throw new ApiError(400, "The MIME type of the file is not known.")
    const length = header(exchange, "header-content-length")
    requireRoom(account, Number(length ?? 0))
    const id = newId("AB")
    const [path] = (exchange.request.url ?? "").split("?")
    of(account, key).set(id, {
      displayName,
      contentType,
      length: length === undefined ? undefined : Number(length),
      name,
      digest: createHash("sha256"),
      chunks: [],
      received: 0
    })
    return Answer.json(
      200,
      {},
      {
        "x-goog-upload-url": `${originOf(exchange)}${path}?upload_id=${id}&upload_protocol=resumable`,
        "x-goog-upload-status": "active",
        "x-goog-upload-chunk-granularity": "262144"
      }
    )
  })
}

const upload: Route = {
  name: "files.upload",
  method: "POST",
  path: "/files",
  when: (query) => query.has("upload_id"),
  receive: async (exchange) => {
    const { account, entry, journal, keepBytes } = exchange
    const id = exchange.query.get("upload_id") ?? ""
    const state = of(account, key).get(id)
    const isInPlace = state !== undefined && Number(header(exchange, "offset") ?? 0) === state.received
    for await (const chunk of readBody(exchange)) {
      if (state === undefined || !isInPlace) continue
      state.digest.update(chunk)
      state.received += chunk.byteLength
      if (state.received > keepBytes) state.chunks = undefined
      state.chunks?.push(chunk)
    }
    const sha256 = state?.digest.copy().digest("hex")
    journal.update(entry, {
      upload: {
        partOrder: [],
        fields: [],
        filename: state?.displayName,
        contentType: state?.contentType,
        bytes: state?.received ?? 0,
        sha256
      }
    })
    return () => {
      if (state === undefined || sha256 === undefined) throw new ApiError(404, "There is no such upload.")
      if (!isInPlace) throw new ApiError(400, "The offset is not where the upload stands.")
      if (!(header(exchange, "command") ?? "").includes("finalize")) {
        return Answer.json(200, {}, { "x-goog-upload-status": "active" })
      }
      if (state.length !== undefined && state.length !== state.received) {
        throw new ApiError(400, `The upload has ${state.received} bytes, not ${state.length}.`)
      }
      requireRoom(account, state.received)
      of(account, key).delete(id)
      const file = account.files.add({
        id: state.name,
        filename: state.displayName,
        contentType: state.contentType,
        purpose: "uploaded",
        bytes: state.received,
        sha256,
        content: state.chunks === undefined ? undefined : Buffer.concat(state.chunks),
        livesSeconds: lifeSeconds
      })
      return Answer.json(200, { file: toObject(file, exchange) }, { "x-goog-upload-status": "final" })
    }
  }
}

export const routes: ReadonlyArray<Route> = versioned([upload, start], "/upload")
