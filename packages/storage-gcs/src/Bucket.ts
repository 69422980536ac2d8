/** One bucket: its client, and how requests are tried. */
import { IdempotencyStrategy, Storage, type File, type StorageOptions } from "@google-cloud/storage"

export interface Options {
  readonly bucket: string
  /** Before every key, such as `blobs/`. Nothing else may be kept under it. Default: none. */
  readonly prefix?: string | undefined
  /** The URL of another server that speaks the JSON API. It is sent no credentials unless `keyFile` is given. */
  readonly endpoint?: string | undefined
  /** The path of a service account's key. Default: what Google's library finds in its surroundings. */
  readonly keyFile?: string | undefined
  /** In bytes, rounded down to a multiple of 256 KiB, and at least that. A few are in memory. Default: 8 MiB. */
  readonly chunkSize?: number | undefined
}

export interface Bucket {
  readonly fileOf: (key: string) => File
  /** Where the content is, and the headers that open it. */
  readonly contentOf: (key: string) => Promise<{ readonly url: string; readonly headers: Headers }>
}

/** Seconds; a write is tried again because it says that the object must not exist yet. */
const retryOptions = {
  autoRetry: true,
  maxRetries: 5,
  retryDelayMultiplier: 2,
  maxRetryDelay: 5,
  totalTimeout: 60,
  idempotencyStrategy: IdempotencyStrategy.RetryConditional
}

const storageOptions = ({ endpoint, keyFile }: Options): StorageOptions => ({
  retryOptions,
  ...(endpoint === undefined ? {} : { apiEndpoint: endpoint, useAuthWithCustomEndpoint: keyFile !== undefined }),
  ...(keyFile === undefined ? {} : { keyFilename: keyFile })
})

export const open = (options: Options): Bucket => {
  const storage = new Storage(storageOptions(options))
  const bucket = storage.bucket(options.bucket)
  const prefix = options.prefix ?? ""
  const isOpen = options.endpoint !== undefined && options.keyFile === undefined
  return {
    fileOf: (key) => bucket.file(prefix + key),
    contentOf: async (key) => {
      const name = encodeURIComponent(prefix + key)
      const url = `${storage.apiEndpoint}/storage/v1/b/${options.bucket}/o/${name}?alt=media`
      return { url, headers: isOpen ? new Headers() : await storage.authClient.getRequestHeaders(url) }
    }
  }
}
