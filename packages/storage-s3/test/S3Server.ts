/**
 * A real S3 server in this process: s3rver, which checks every signature. Of what S3 knows and the backend uses it lacks
 * conditional writes and the listing and ending of multipart uploads; `complete` adds those.
 */
import S3rver from "@20minutes/s3rver"
import type { CloudHooks, CloudRequest } from "@omnifile/testkit/BlobStoreSuite"
import * as Redacted from "effect/Redacted"
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll } from "vitest"
import type { Options } from "../src/S3Blobs.ts"

const bucket = "omnifile-test"

export interface TestServer {
  readonly options: Options
  readonly requests: Array<CloudRequest>
  /** Keys of the multipart uploads that are neither completed nor aborted. */
  readonly unfinished: () => ReadonlyArray<string>
  readonly isThere: (key: string) => Promise<boolean>
  /** Cuts off all connections. */
  readonly cut: () => void
  readonly hooks: CloudHooks
}

const errorXml = (code: string) => `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code></Error>`

export const start = async (settings: { readonly complete: boolean }): Promise<TestServer> => {
  const directory = mkdtempSync(join(tmpdir(), "omnifile-s3-"))
  const app = new S3rver({
    address: "127.0.0.1",
    port: 0,
    silent: true,
    directory,
    configureBuckets: [{ name: bucket, configs: [] }]
  })
  const uploads = join(directory, bucket, "._S3rver_uploads")
  const prefix = "blobs/"
  const unfinished = () => (existsSync(uploads) ? readdirSync(uploads) : [])
  const keyOf = (id: string) => readFileSync(join(uploads, id, "key"), "utf8")
  const server: TestServer = {
    options: {
      bucket,
      prefix,
      region: "us-east-1",
      endpoint: "",
      pathStyle: true,
      credentials: { accessKeyId: "S3RVER", secretAccessKey: Redacted.make("S3RVER") },
      partSize: 5 * 1024 * 1024
    },
    requests: [],
    unfinished: () => unfinished().map(keyOf),
    isThere: (key) => app.store.existsObject(bucket, prefix + key),
    cut: () => app.httpServer.closeAllConnections(),
    hooks: { onRequest: async () => undefined, onAnswer: () => false }
  }

  // Visible when it is written whole, as on S3.
  const putContent = app.store.putContent.bind(app.store)
  app.store.putContent = async (path, content) => {
    const part = `${path}.${crypto.randomUUID()}.part`
    const result = await putContent(part, content)
    renameSync(part, path)
    return result
  }

  const listed = () =>
    unfinished()
      .map((id) => {
        const initiated = statSync(join(uploads, id, "key")).mtime.toISOString()
        return `<Upload><Key>${keyOf(id)}</Key><UploadId>${id}</UploadId><Initiated>${initiated}</Initiated></Upload>`
      })
      .join("")

  const writing = new Map<string, Promise<unknown>>()
  /** One at a time for a key, as if the server compared and wrote in one step. */
  const alone = async (key: string, run: () => Promise<void>): Promise<void> => {
    const turn = (writing.get(key) ?? Promise.resolve()).then(run)
    const settled = turn.catch(() => {})
    writing.set(key, settled)
    await turn
  }

  app.middleware.unshift(async (ctx, next) => {
    const request = { method: ctx.method, url: ctx.url, headers: ctx.headers }
    server.requests.push(request)
    const key = ctx.path.slice(bucket.length + 2)
    const uploadId = typeof ctx.query["uploadId"] === "string" ? ctx.query["uploadId"] : undefined
    const answer = (status: number, code: string): void => {
      ctx.status = status
      ctx.type = "application/xml"
      ctx.body = errorXml(code)
    }
    const refusal = await server.hooks.onRequest(request)
    if (refusal !== undefined) {
      answer(refusal, refusal === 403 ? "AccessDenied" : "InternalError")
    } else if (settings.complete && ctx.headers["if-none-match"] === "*") {
      await alone(key, async () => {
        if (await app.store.existsObject(bucket, key)) {
          answer(412, "PreconditionFailed")
        } else if (uploadId !== undefined && !unfinished().includes(uploadId)) {
          answer(404, "NoSuchUpload")
        } else {
          await next()
        }
      })
    } else if (settings.complete && uploadId !== undefined && !unfinished().includes(uploadId)) {
      answer(404, "NoSuchUpload")
    } else if (settings.complete && ctx.method === "DELETE" && uploadId !== undefined) {
      rmSync(join(uploads, uploadId), { recursive: true, force: true })
      ctx.status = 204
    } else if (settings.complete && ctx.method === "GET" && ctx.query["uploads"] !== undefined) {
      ctx.type = "application/xml"
      ctx.body = `<ListMultipartUploadsResult><Bucket>${bucket}</Bucket>${listed()}</ListMultipartUploadsResult>`
    } else {
      await next()
    }
    if (server.hooks.onAnswer(request)) ctx.req.socket.destroy()
  })

  const { port } = await app.run()
  afterAll(async () => {
    app.httpServer.closeAllConnections()
    await app.close()
    rmSync(directory, { recursive: true, force: true })
  })
  return { ...server, options: { ...server.options, endpoint: `http://127.0.0.1:${port}` } }
}
