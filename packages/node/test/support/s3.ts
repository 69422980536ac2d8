/** A real S3 server in this process: s3rver, which checks every signature. */
import S3rver from "@20minutes/s3rver"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { buffer } from "node:stream/consumers"

/** The only access key that it knows. */
export const accessKey = { id: "S3RVER", secret: "S3RVER" } as const

export const bucket = "omnifile-copies"

export interface S3 {
  /** With the bucket in its path. */
  readonly baseUrl: string
  /** Methods and paths, in the order in which they came. */
  readonly requests: Array<string>
  readonly read: (key: string) => Promise<Uint8Array | undefined>
  readonly remove: (key: string) => Promise<void>
  /** Carries out the next upload and cuts the connection before it is answered. */
  readonly cutNextUpload: () => void
  readonly stop: () => Promise<void>
}

export const start = async (): Promise<S3> => {
  const directory = mkdtempSync(join(tmpdir(), "omnifile-s3-"))
  const app = new S3rver({
    address: "127.0.0.1",
    port: 0,
    silent: true,
    directory,
    configureBuckets: [{ name: bucket, configs: [] }]
  })
  const requests: Array<string> = []
  let cut = false
  app.middleware.unshift(async (ctx, next) => {
    requests.push(`${ctx.method} ${ctx.url.slice(bucket.length + 1)}`)
    const isCut = cut && ctx.method === "PUT"
    if (isCut) cut = false
    await next()
    if (isCut) ctx.req.socket.destroy()
  })
  const { port } = await app.run()
  return {
    baseUrl: `http://127.0.0.1:${port}/${bucket}`,
    requests,
    read: async (key) => {
      const object = await app.store.getObject(bucket, key)
      return object === null ? undefined : buffer(object.content)
    },
    remove: (key) => app.store.deleteObject(bucket, key),
    cutNextUpload: () => {
      cut = true
    },
    stop: async () => {
      app.httpServer.closeAllConnections()
      await app.close()
      rmSync(directory, { recursive: true, force: true })
    }
  }
}
