/**
 * Content as objects of a service such as S3, one an object: the backend over what such a service can do. Two writers
 * of a key are kept apart, and interrupted or uncertain writes taken back, by `ObjectUpload`.
 */
import * as Effect from "effect/Effect"
import type { BlobBackend } from "./BlobStore.ts"
import * as Bytes from "./Bytes.ts"
import { KeyTaken, type Upload } from "./ObjectUpload.ts"
import { cut, SourceFailure } from "./PartCutter.ts"
import * as StorageError from "./StorageError.ts"

/** Content that is open for one pass. */
export interface OpenContent {
  readonly bytes: Bytes.Bytes
  /** Frees what reading holds, at any time. */
  readonly close: () => void
}

/** No bytes of content that is there. */
export const nothing: OpenContent = { bytes: Bytes.fromArray(), close: () => {} }

/** What is asked of a stream of Node.js. */
export interface NodeStream extends Bytes.Bytes {
  readonly on: (event: "error", listener: () => void) => unknown
  readonly destroy: () => unknown
}

/** What a stream of Node.js reads. */
export const fromStream = (stream: NodeStream): OpenContent => ({
  bytes: stream,
  close: () => {
    // An error that comes when nobody reads any more must not end the process.
    stream.on("error", () => {})
    stream.destroy()
  }
})

/**
 * What a service for objects does. Promises are rejected with whatever the service answers; `isMissing` tells what that
 * means.
 */
export interface ObjectService {
  /** Names the backend in errors and logs. */
  readonly name: string
  /** What content is cut into on its way to `start`, in bytes. */
  readonly partSize: number
  /** Begins a write, usually by `ObjectUpload.start`. The signal ends what it does before it is published. */
  readonly start: (key: string, parts: AsyncGenerator<Uint8Array, void, void>, signal: AbortSignal) => Promise<Upload>
  /** Opens content; nothing of it when the range begins past its end. The signal ends the opening only. */
  readonly open: (key: string, range: Bytes.ByteRange, signal: AbortSignal) => Promise<OpenContent>
  /** In bytes. */
  readonly size: (key: string) => Promise<number>
  /** Removes the object and unfinished writes of it. Fulfilled, too, when there is nothing. */
  readonly remove: (key: string) => Promise<unknown>
  /** Whether that was the answer for an object that is not there, and not for a container that is not. */
  readonly isMissing: (cause: unknown) => boolean
}

/** The value of a `Range` header, undefined for all of the content. There is none for a length of 0. */
export const rangeHeader = ({ length, offset }: Bytes.ByteRange): string | undefined => {
  if (length !== undefined) return `bytes=${offset}-${offset + length - 1}`
  return offset === 0 ? undefined : `bytes=${offset}-`
}

/** A write whose parts are on their way. One that fails has taken them back before it says so. */
interface Attempt {
  upload: Promise<Upload> | undefined
}

interface Opening {
  content: Promise<OpenContent> | undefined
}

/** The backend over a service. */
export const make = (service: ObjectService): BlobBackend => {
  const fail = StorageError.of(service.name)
  const unavailable = (method: string) => (cause: unknown) => fail(method, new StorageError.Unavailable({ cause }))
  const missingOrUnavailable = (method: string, key: string) => (cause: unknown) =>
    service.isMissing(cause) ? fail(method, new StorageError.Missing({ key })) : unavailable(method)(cause)
  const writeFailed = (key: string) => (cause: unknown) => {
    if (cause instanceof SourceFailure) return fail("write", new StorageError.SourceFailed({ key, cause: cause.cause }))
    return cause instanceof KeyTaken ? fail("write", new StorageError.Conflict({ key })) : unavailable("write")(cause)
  }

  const exists = async (key: string): Promise<boolean> => {
    try {
      await service.size(key)
      return true
    } catch (cause) {
      if (service.isMissing(cause)) return false
      throw cause
    }
  }

  return {
    name: service.name,
    write: Effect.fnUntraced(function* (key, bytes) {
      const taken = yield* Effect.tryPromise({ try: () => exists(key), catch: unavailable("write") })
      if (taken) return yield* fail("write", new StorageError.Conflict({ key }))
      yield* Effect.acquireUseRelease(
        Effect.sync((): Attempt => ({ upload: undefined })),
        (attempt) =>
          Effect.flatMap(
            Effect.tryPromise({
              try: (signal) => {
                const parts = cut(Bytes.abortable(bytes, signal), service.partSize)
                return (attempt.upload = service.start(key, parts, signal))
              },
              catch: writeFailed(key)
            }),
            // Interrupted half way, nobody could tell whether the content is there.
            (upload) => Effect.uninterruptible(Effect.tryPromise({ try: upload.publish, catch: writeFailed(key) }))
          ),
        ({ upload }) =>
          Effect.ignore(
            Effect.tryPromise(async () => {
              const started = await upload?.catch(() => undefined)
              await started?.discard()
            }),
            { log: true }
          )
      )
    }),
    read: Effect.fnUntraced(function* (key, range) {
      const opening = yield* Effect.acquireRelease(
        Effect.sync((): Opening => ({ content: undefined })),
        // Interrupted while it opens, nobody waits for it.
        ({ content }) =>
          Effect.sync(
            () =>
              void content?.then(
                ({ close }) => close(),
                () => {}
              )
          )
      )
      const { bytes } = yield* Effect.tryPromise({
        try: (signal) => (opening.content = service.open(key, range, signal)),
        catch: missingOrUnavailable("read", key)
      })
      return bytes
    }),
    size: (key) => Effect.tryPromise({ try: () => service.size(key), catch: missingOrUnavailable("size", key) }),
    remove: (key) => Effect.tryPromise({ try: () => service.remove(key), catch: unavailable("remove") })
  }
}
