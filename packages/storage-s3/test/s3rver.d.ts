/** What the tests use of s3rver, which has no declarations. */
declare module "@20minutes/s3rver" {
  import type { IncomingMessage, Server } from "node:http"
  import type { Readable } from "node:stream"

  interface Context {
    readonly req: IncomingMessage
    readonly method: string
    readonly url: string
    readonly path: string
    readonly query: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
    readonly headers: Readonly<Record<string, string | undefined>>
    status: number
    type: string
    body: unknown
  }

  interface Store {
    putContent: (path: string, content: unknown) => Promise<readonly [size: number, md5: string]>
    existsObject: (bucket: string, key: string) => Promise<boolean>
    getObject: (bucket: string, key: string) => Promise<{ readonly content: Readable } | null>
    deleteObject: (bucket: string, key: string) => Promise<void>
  }

  export default class S3rver {
    constructor(options: {
      readonly address: string
      readonly port: number
      readonly silent: boolean
      readonly directory: string
      readonly configureBuckets: ReadonlyArray<{ readonly name: string; readonly configs: ReadonlyArray<string> }>
    })
    readonly store: Store
    readonly middleware: Array<(ctx: Context, next: () => Promise<void>) => Promise<void>>
    readonly httpServer: Server
    run(): Promise<{ readonly port: number }>
    close(): Promise<void>
  }
}
