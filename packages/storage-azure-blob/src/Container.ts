/** One container: its client, and what every blob in it is made with. */
import {
  AnonymousCredential,
  ContainerClient,
  StorageSharedKeyCredential,
  type BlockBlobClient
} from "@azure/storage-blob"
import type { TokenCredential } from "@azure/core-auth"
import * as Redacted from "effect/Redacted"

export type Credential =
  | { readonly _tag: "AccountKey"; readonly key: Redacted.Redacted<string> }
  /** The query of a shared access signature, with or without the question mark. */
  | { readonly _tag: "SasToken"; readonly token: Redacted.Redacted<string> }
  /** Any credential of `@azure/identity`, such as that of a managed identity. */
  | { readonly _tag: "Token"; readonly credential: TokenCredential }

export interface Options {
  /** The storage account. */
  readonly account: string
  readonly container: string
  /** Before every key, such as `blobs/`. Nothing else may be kept under it. Default: none. */
  readonly prefix?: string | undefined
  /** The URL of the account's blobs. Default: `https://ACCOUNT.blob.core.windows.net`. */
  readonly endpoint?: string | undefined
  readonly credential: Credential
  /** In bytes, from 64 KiB. Content is uploaded in 50,000 blocks at most. Default: 8 MiB. */
  readonly blockSize?: number | undefined
  /** How many blocks of one file are on their way at once. Each is in memory. Default: 3. */
  readonly concurrentBlocks?: number | undefined
  /** Milliseconds after which a request is tried again; more with each try, up to 5 seconds. Default: 200. */
  readonly retryDelay?: number | undefined
}

export interface Container {
  readonly blobOf: (key: string) => BlockBlobClient
}

/** How often, and within how many milliseconds each, a request is tried. */
const retries = { maxTries: 5, tryTimeoutInMs: 60_000, maxRetryDelayInMs: 5_000 }

const defaultRetryDelay = 200

const withoutTrailingSlash = (url: string): string => url.replace(/\/+$/, "")

export const open = (options: Options): Container => {
  const { account, credential, prefix = "" } = options
  const retryOptions = { ...retries, retryDelayInMs: options.retryDelay ?? defaultRetryDelay }
  const endpoint = withoutTrailingSlash(options.endpoint ?? `https://${account}.blob.core.windows.net`)
  const url = `${endpoint}/${options.container}`
  const client = (): ContainerClient => {
    switch (credential._tag) {
      case "AccountKey": {
        const shared = new StorageSharedKeyCredential(account, Redacted.value(credential.key))
        return new ContainerClient(url, shared, { retryOptions })
      }
      case "SasToken": {
        const query = Redacted.value(credential.token).replace(/^\?/, "")
        return new ContainerClient(`${url}?${query}`, new AnonymousCredential(), { retryOptions })
      }
      case "Token":
        return new ContainerClient(url, credential.credential, { retryOptions })
    }
  }
  const container = client()
  return { blobOf: (key) => container.getBlockBlobClient(prefix + key) }
}
