/**
 * As much of the JSON API of Google Cloud Storage as omnifile uses, in this process: uploads in one request and in
 * resumable sessions, with preconditions; reads with ranges; metadata; lists; removal.
 */
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { CloudHooks, CloudRequest } from "../suites/blobCloudCases.ts"

const bucket = "omnifile-test"

interface StoredObject {
  readonly name: string
  readonly body: Buffer
  readonly crc32c: string
  readonly metadata: unknown
  readonly timeCreated: string
}

interface Session {
  readonly name: string
  readonly query: URLSearchParams
  readonly metadata: unknown
  chunks: Array<Buffer>
}

export interface Options {
  /** The checksum of content as the service writes it. Default: none that any client could compare. */
  readonly crc32c?: (bytes: Uint8Array) => string
}

export interface TestServer {
  readonly options: { readonly bucket: string; readonly prefix: string; readonly endpoint: string }
  readonly requests: Array<CloudRequest>
  /** What is taken out of it is gone. */
  readonly objects: Map<string, StoredObject>
  /** Uploads that are neither finished nor ended. */
  readonly sessions: ReadonlyMap<string, Session>
  readonly cut: () => void
  readonly stop: () => Promise<void>
  readonly hooks: CloudHooks
}

interface Answer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body?: Buffer | undefined
}

const json = (value: unknown, status = 200): Answer => ({
  status,
  headers: { "content-type": "application/json" },
  body: Buffer.from(JSON.stringify(value))
})

const error = (status: number): Answer => json({ error: { code: status, message: `status ${status}` } }, status)

const resourceOf = ({ body, crc32c, metadata, name, timeCreated }: StoredObject) => ({
  ...(metadata as object),
  name,
  bucket,
  generation: "1",
  size: String(body.byteLength),
  timeCreated,
  crc32c
})

const described = (object: StoredObject): Answer => json(resourceOf(object))

/** In the order of their names; the token of a page is the last name of the one before. */
const listed = (objects: ReadonlyMap<string, StoredObject>, query: URLSearchParams): Answer => {
  const after = query.get("pageToken") ?? ""
  const matching = [...objects.values()]
    .filter(({ name }) => name.startsWith(query.get("prefix") ?? "") && name > after)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const items = matching.slice(0, Number(query.get("maxResults") ?? 1000))
  const nextPageToken = items.length < matching.length ? items.at(-1)?.name : undefined
  return json({ kind: "storage#objects", items: items.map(resourceOf), nextPageToken })
}

/** The two parts of a `multipart/related` body: metadata and content. */
const readRelated = (contentType: string, body: Buffer): { readonly metadata: unknown; readonly content: Buffer } => {
  const [, boundary = ""] = /boundary="?([^";]+)/.exec(contentType) ?? []
  const headEnd = "\r\n\r\n"
  const metadataStart = body.indexOf(headEnd) + headEnd.length
  const metadataEnd = body.indexOf(`\r\n--${boundary}`, metadataStart)
  const contentStart = body.indexOf(headEnd, metadataEnd) + headEnd.length
  return {
    metadata: JSON.parse(body.subarray(metadataStart, metadataEnd).toString()),
    content: body.subarray(contentStart, body.lastIndexOf(`\r\n--${boundary}--`))
  }
}

const makeStore = (crc32c: NonNullable<Options["crc32c"]>) => {
  const objects = new Map<string, StoredObject>()
  const sessions = new Map<string, Session>()

  const store = (name: string, query: URLSearchParams, metadata: unknown, body: Buffer): Answer => {
    if (query.get("ifGenerationMatch") === "0" && objects.has(name)) return error(412)
    const object = { name, body, crc32c: crc32c(body), metadata, timeCreated: new Date().toISOString() }
    objects.set(name, object)
    return described(object)
  }

  const begin = (url: URL, body: Buffer): Answer => {
    const id = crypto.randomUUID()
    const name = url.searchParams.get("name") ?? ""
    sessions.set(id, { name, query: url.searchParams, metadata: JSON.parse(body.toString() || "{}"), chunks: [] })
    const location = new URL(url)
    location.searchParams.set("upload_id", id)
    return { status: 200, headers: { location: location.href } }
  }

  const proceed = (id: string, range: string, body: Buffer): Answer => {
    const session = sessions.get(id)
    if (session === undefined) return error(404)
    const [, first, total = "*"] = /^bytes (?:(\d+)-\d*|\*)\/(\d+|\*)$/.exec(range) ?? []
    const has = session.chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
    // What is sent again is known already.
    if (first !== undefined) session.chunks.push(body.subarray(has - Number(first)))
    const length = session.chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
    if (total !== "*" && length >= Number(total)) {
      const answer = store(session.name, session.query, session.metadata, Buffer.concat(session.chunks))
      sessions.delete(id)
      return answer
    }
    return { status: 308, ...(length === 0 ? {} : { headers: { range: `bytes=0-${length - 1}` } }) }
  }

  const read = ({ body, crc32c }: StoredObject, range: string | undefined): Answer => {
    const headers = { "x-goog-stored-content-encoding": "identity", "x-goog-hash": `crc32c=${crc32c}` }
    if (range === undefined) return { status: 200, headers, body }
    const [, first = "0", last = ""] = /^bytes=(\d+)-(\d*)$/.exec(range) ?? []
    if (Number(first) >= body.byteLength) return error(416)
    return { status: 206, headers, body: body.subarray(Number(first), last === "" ? undefined : Number(last) + 1) }
  }

  const carryOut = ({ headers, method, url: path = "" }: IncomingMessage, body: Buffer): Answer => {
    const url = new URL(path, `http://${headers.host}`)
    const query = url.searchParams
    const session = query.get("upload_id")
    if (session !== null) {
      if (method !== "DELETE") return proceed(session, headers["content-range"] ?? "", body)
      return { status: sessions.delete(session) ? 499 : 404 }
    }
    if (url.pathname === `/upload/storage/v1/b/${bucket}/o`) {
      const contentType = headers["content-type"] ?? ""
      if (query.get("uploadType") === "resumable") return begin(url, body)
      if (query.get("uploadType") === "media") return store(query.get("name") ?? "", query, { contentType }, body)
      const { content, metadata } = readRelated(contentType, body)
      return store(query.get("name") ?? "", query, metadata, content)
    }
    if (url.pathname === `/storage/v1/b/${bucket}/o`) return listed(objects, query)
    const [, name = ""] = new RegExp(`^/storage/v1/b/${bucket}/o/([^/]+)$`).exec(url.pathname) ?? []
    const object = objects.get(decodeURIComponent(name))
    if (object === undefined) return error(404)
    if (method === "DELETE") {
      objects.delete(object.name)
      return { status: 204 }
    }
    return query.get("alt") === "media" ? read(object, headers.range) : described(object)
  }
  return { objects, sessions, carryOut }
}

export const start = async ({ crc32c = () => "" }: Options = {}): Promise<TestServer> => {
  const { carryOut, objects, sessions } = makeStore(crc32c)
  const requests: Array<CloudRequest> = []
  const hooks: CloudHooks = { onRequest: async () => undefined, onAnswer: () => false }

  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const request = { method: incoming.method ?? "", url: incoming.url ?? "", headers: incoming.headers }
    requests.push(request)
    const chunks: Array<Buffer> = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const refusal = await hooks.onRequest(request)
    const answer = refusal === undefined ? carryOut(incoming, Buffer.concat(chunks)) : error(refusal)
    if (hooks.onAnswer(request)) incoming.socket.destroy()
    else outgoing.writeHead(answer.status, { ...answer.headers, "content-length": answer.body?.byteLength ?? 0 })
    outgoing.end(answer.body)
  }
  const server = createServer((incoming, outgoing) => {
    // A client that goes away in the middle of its request is no error of the server.
    serve(incoming, outgoing).catch(() => incoming.socket.destroy())
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the server has no port")
  return {
    options: { bucket, prefix: "blobs/", endpoint: `http://127.0.0.1:${address.port}` },
    requests,
    objects,
    sessions,
    cut: () => server.closeAllConnections(),
    stop: async () => {
      const closed = once(server, "close")
      server.close()
      server.closeAllConnections()
      await closed
    },
    hooks
  }
}
