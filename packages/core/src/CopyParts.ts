/**
 * The content of a file on its way to an account in parts: for files that the provider does not take in one request.
 * Until the upload is completed there is no copy; one that is given up is cancelled, or expires by itself.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { CopySource } from "./CopySource.ts"
import type { FileProtocol, FileUpload, PartProtocol, ProviderCall } from "./Provider.ts"
import type { ProviderError } from "./ProviderError.ts"
import type { StorageError } from "./StorageError.ts"
import { type ProviderAccount, Upstream } from "./Upstream.ts"
import * as Uuid from "./Uuid.ts"

/** How long the end of an upload waits until it is cancelled. */
const cancelPatience = Duration.seconds(5)

/** How many parts are on their way at once. */
const concurrency = 4

/** The most bytes of a copy, or null for no known limit. */
export const limitOf = ({ maxBytes, parts }: FileProtocol, { openRange }: CopySource): number | null =>
  maxBytes !== null && parts !== undefined && openRange !== undefined ? Math.max(maxBytes, parts.maxBytes) : maxBytes

/** The protocol by which so many bytes come, if not in one request. */
export const protocolFor = ({ maxBytes, parts }: FileProtocol, { length }: CopySource): PartProtocol | undefined =>
  maxBytes !== null && length > maxBytes ? parts : undefined

interface Range {
  readonly offset: number
  readonly length: number
}

const rangesOf = (length: number, partBytes: number): ReadonlyArray<Range> =>
  Array.from({ length: Math.ceil(length / partBytes) }, (_, index) => {
    const offset = index * partBytes
    return { offset, length: Math.min(partBytes, length - offset) }
  })

export const make = Effect.gen(function* () {
  const upstream = yield* Upstream

  const addPart = (
    target: ProviderAccount,
    parts: PartProtocol,
    upload: string,
    openRange: NonNullable<CopySource["openRange"]>,
    range: Range
  ) => {
    const call = Effect.gen(function* () {
      const nonce = (yield* Uuid.make).replaceAll("-", "")
      return parts.add(upload, { bytes: yield* openRange(range), length: range.length, nonce })
    })
    return upstream.request(target, call, parts.decodeId)
  }

  const cancel = (target: ProviderAccount, parts: PartProtocol, upload: string) =>
    upstream
      .request(target, Effect.succeed(parts.cancel(upload)), Result.succeed)
      .pipe(Effect.timeout(cancelPatience), Effect.ignore({ log: "Warn" }))

  return {
    /**
     * Brings all parts to the provider, and answers the call that makes one file of them. If it does not come to that,
     * the upload is cancelled when the scope closes.
     */
    send: Effect.fnUntraced(function* (
      target: ProviderAccount,
      parts: PartProtocol,
      file: Omit<FileUpload, "bytes" | "nonce">,
      openRange: NonNullable<CopySource["openRange"]>
    ): Effect.fn.Return<ProviderCall, ProviderError | StorageError, Scope.Scope> {
      const begin = upstream.request(target, Effect.succeed(parts.begin(file)), parts.decodeId)
      const upload = yield* Effect.acquireRelease(
        begin,
        (id, exit) => (Exit.isSuccess(exit) ? Effect.void : cancel(target, parts, id)),
        { interruptible: true }
      )
      const ids = yield* Effect.forEach(
        rangesOf(file.length, parts.partBytes),
        (range) => addPart(target, parts, upload, openRange, range),
        { concurrency }
      )
      return parts.complete(upload, ids)
    })
  }
})
