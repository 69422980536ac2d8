/**
 * Content in a Postgres database, in chunks: for installations that are too small for a bucket, and want one place to
 * back up. Every byte passes through the database's log, so that it is neither fast nor cheap for much content.
 *
 * A chunk is one statement; no transaction is open while content flows. Content that was removed can be read to its
 * end for an hour by those who had begun.
 */
import { BlobStore, make as makeService, type BlobBackend } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import { cut, SourceFailure } from "@omnifile/core/PartCutter"
import * as StorageError from "@omnifile/core/StorageError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import * as Attempts from "./Attempts.ts"
import * as Blobs from "./Blobs.ts"
import * as ConnectionUrl from "./ConnectionUrl.ts"
import * as Database from "./Database.ts"
import * as Migrations from "./Migrations.ts"
import type { Options } from "./PostgresRegistry.ts"

/** In bytes. Blobs remember theirs, so that it can be another one in a later release. */
const chunkSize = 256 * 1024

/** Connections beside the registry's, which content must not keep busy. */
const connections = 4

/** How long chunks are kept that nobody writes any more, or that somebody may still read. Milliseconds. */
const grace = 60 * 60 * 1000

/** Far more often than `grace`: also how often uploads say that they go on. */
const sweepInterval = "10 minutes"

const fail = StorageError.of("postgres")

/** The upload may not be finished any more. */
const taken = (key: string) => fail("write", new StorageError.Conflict({ key }))

/** The backend over connections that are open as long as the scope. The tables are made if they are not there. */
export const makeBackend = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<BlobBackend, StorageError.StorageError, Scope.Scope> {
  const parsed = ConnectionUrl.parse(Redacted.value(options.url))
  if (Result.isFailure(parsed)) {
    const cause = new TypeError(`The URL of the database ${parsed.failure}`)
    return yield* fail("open", new StorageError.Unavailable({ cause }))
  }
  const connection = parsed.success
  const retryFor = options.retryFor ?? "15 seconds"
  const attempt = Attempts.make(fail, retryFor, connection.statementTimeout + Attempts.silence)
  const client = yield* Effect.acquireRelease(
    Effect.try({
      try: () => Database.open(connection, connections),
      catch: (cause) => fail("open", new StorageError.Unavailable({ cause }))
    }),
    (client) => Effect.promise(() => Database.close(client))
  )
  const openly = Attempts.make(fail, retryFor, Duration.toMillis("1 hour"))
  yield* openly("open", connection.schema, () => Migrations.migrate(client, connection.schema))

  /** Uploads of this process that are not finished. */
  const writing = new Set<string>()
  const keepOrder = Effect.tryPromise(async () => {
    await Blobs.touch(client, [...writing])
    await Blobs.sweep(client, grace)
  })
  yield* Effect.forkScoped(
    Effect.repeat(Effect.ignore(keepOrder, { log: "Warn" }), Schedule.jittered(Schedule.spaced(sweepInterval)))
  )

  const find = (method: string, key: string) => attempt(method, key, () => Blobs.find(client, key))
  const found = (method: string, key: string) =>
    Effect.flatMap(find(method, key), (blob) =>
      blob === undefined ? Effect.fail(fail(method, new StorageError.Missing({ key }))) : Effect.succeed(blob)
    )

  /** Stores all chunks. Returns how many bytes they were. */
  const upload = Effect.fnUntraced(function* (id: string, key: string, bytes: Bytes.Bytes) {
    return yield* Effect.acquireUseRelease(
      Effect.sync(() => {
        const controller = new AbortController()
        return { controller, parts: cut(Bytes.abortable(bytes, controller.signal), chunkSize) }
      }),
      ({ parts }) =>
        Effect.gen(function* () {
          let size = 0
          for (let number = 0; ; number++) {
            const next = yield* Effect.tryPromise({
              try: () => parts.next(),
              catch: (cause) =>
                fail(
                  "write",
                  new StorageError.SourceFailed({ key, cause: cause instanceof SourceFailure ? cause.cause : cause })
                )
            })
            if (next.done === true) return size
            const added = yield* attempt("write", key, () => Blobs.add(client, id, number, next.value))
            if (!added) return yield* taken(key)
            size += next.value.byteLength
          }
        }),
      ({ controller, parts }) =>
        Effect.sync(() => {
          controller.abort()
          parts.return().catch(() => {})
        })
    )
  })

  const publish = Effect.fnUntraced(function* (id: string, key: string, size: number) {
    const outcome = yield* attempt("write", key, () => Blobs.publish(client, key, { upload: id, size, chunkSize }))
    if (outcome === "taken") return yield* taken(key)
    if (outcome === "incomplete") {
      const cause = new Error("the server has lost a part of the content in a crash")
      return yield* fail("write", new StorageError.Unavailable({ cause }))
    }
  })

  /** The bytes from `range.offset`, a chunk at a time. */
  const read = (key: string, blob: Blobs.Blob, range: Bytes.ByteRange) => {
    const end = Math.min(blob.size, range.length === undefined ? blob.size : range.offset + range.length)
    return Stream.toAsyncIterableEffect(
      Stream.unfold(
        range.offset,
        Effect.fnUntraced(function* (position: number) {
          if (position >= end) return undefined
          const number = Math.floor(position / blob.chunkSize)
          const offset = position - number * blob.chunkSize
          const length = Math.min(blob.chunkSize - offset, end - position)
          const bytes = yield* attempt("read", key, () => Blobs.chunk(client, blob.upload, number, offset, length))
          if (bytes?.byteLength !== length) {
            const cause = new Error(`chunk ${number} is not there any more`)
            return yield* fail("read", new StorageError.Corrupt({ key, cause }))
          }
          return [bytes, position + length] as const
        })
      )
    )
  }

  return {
    name: "postgres",
    write: Effect.fnUntraced(function* (key, bytes) {
      if ((yield* find("write", key)) !== undefined) return yield* taken(key)
      yield* Effect.acquireUseRelease(
        Effect.sync(() => {
          const id = randomUUID()
          writing.add(id)
          return id
        }),
        (id) =>
          Effect.gen(function* () {
            yield* attempt("write", key, () => Blobs.begin(client, id, key))
            const size = yield* upload(id, key, bytes)
            // Interrupted half way, nobody could tell whether the content is there.
            yield* Effect.uninterruptible(publish(id, key, size))
          }),
        (id, exit) =>
          Effect.andThen(
            Effect.sync(() => writing.delete(id)),
            exit._tag === "Success"
              ? Effect.void
              : Effect.ignore(
                  attempt("write", key, () => Blobs.discard(client, id)),
                  { log: true }
                )
          )
      )
    }),
    read: (key, range) => Effect.flatMap(found("read", key), (blob) => read(key, blob, range)),
    size: (key) => Effect.map(found("size", key), ({ size }) => size),
    remove: (key) => attempt("remove", key, () => Blobs.remove(client, key))
  }
})

/** Content in a database. */
export const layer = (options: Options): Layer.Layer<BlobStore, StorageError.StorageError> =>
  Layer.effect(BlobStore, Effect.map(makeBackend(options), makeService))
