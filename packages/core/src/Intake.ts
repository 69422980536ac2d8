/**
 * Content on its way in, before anything is known about it but its bytes: stored, counted and digested in one
 * pass and in constant memory.
 *
 * The row is written before the first byte, so that what a crash leaves behind is found again.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Access from "./Access.ts"
import { BlobStore } from "./BlobStore.ts"
import * as Bytes from "./Bytes.ts"
import { type CallError, InvalidRequest, TooLarge } from "./CallError.ts"
import * as ContentMetrics from "./ContentMetrics.ts"
import { creationOf, Instance } from "./Instance.ts"
import { ManagedFile } from "./ManagedFile.ts"
import type { Principal } from "./Principal.ts"
import { Registry } from "./Registry.ts"
import { Removal } from "./Removal.ts"
import { Settings } from "./Settings.ts"
import { Sha256 } from "./Sha256.ts"
import { StorageError } from "./StorageError.ts"
import * as Uuid from "./Uuid.ts"

/** Content that is stored and belongs to no file yet. */
export interface Received {
  /** The key of the row and of the content. */
  readonly key: string
  readonly bytes: number
  /** Hex. */
  readonly sha256: string
  /** The first bytes, at most `headLength`: enough to tell what kind of content it is. */
  readonly head: Uint8Array
}

export const headLength = 512

export class Intake extends Context.Service<
  Intake,
  {
    /**
     * Stores content for a file to be made of. If none is by the time that the scope closes, the content is
     * discarded. `TooLarge` as soon as the limit is passed (in bytes; that of the settings, unless another is given);
     * `InvalidRequest` when the source breaks off.
     */
    readonly receive: (
      principal: Principal,
      bytes: Bytes.Bytes,
      limit?: number
    ) => Effect.Effect<Received, CallError, Scope.Scope>
  }
>()("@omnifile/core/Intake") {}

/** Content may come from the client, or from what is stored already. */
const sourceError = (cause: unknown): InvalidRequest | TooLarge | StorageError =>
  cause instanceof TooLarge || cause instanceof InvalidRequest || cause instanceof StorageError
    ? cause
    : new InvalidRequest({ message: "The upload broke off before the end of the file.", param: "file", code: null })

const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const registry = yield* Registry
  const removal = yield* Removal
  const instance = yield* Instance
  const sha256 = yield* Sha256
  const countBytes = yield* ContentMetrics.make
  const { instanceTtl, maxFileSize } = yield* Settings

  const intent = (key: string, principal: Principal, now: number) =>
    new ManagedFile({
      key,
      id: null,
      state: "receiving",
      owner: Access.ownerOf(principal),
      filename: "",
      bytes: 0,
      sha256: "",
      declaredType: null,
      contentType: "",
      purpose: "user_data",
      createdAt: now,
      expiresAt: null,
      models: [],
      kept: true,
      replicas: [],
      lostUploads: [],
      instance: instance.id,
      idempotency: null,
      dueAt: now + instanceTtl,
      attempts: 0
    })

  return Intake.of({
    receive: Effect.fn("Intake.receive")(function* (principal, source, limit = maxFileSize) {
      const key = yield* Uuid.make
      const now = yield* Clock.currentTimeMillis
      // Released last: whatever the discarding could not do is for maintenance from then on.
      yield* instance.hold(creationOf(key))
      yield* Effect.acquireRelease(registry.insertFile(intent(key, principal, now)), () =>
        removal.discardUnless(key, (file) => file.state !== "receiving")
      )
      const hasher = sha256.hasher()
      const heads: Array<Uint8Array> = []
      let headBytes = 0
      let bytes = 0
      const measured = Bytes.inspected(source, (chunk) => {
        bytes += chunk.byteLength
        if (bytes > limit) {
          throw new TooLarge({ message: `The file is larger than ${limit} bytes.`, param: "file" })
        }
        hasher.update(chunk)
        if (headBytes < headLength) {
          const head = chunk.slice(0, headLength - headBytes)
          headBytes += head.byteLength
          heads.push(head)
        }
      })
      yield* blobs
        .put(key, measured)
        .pipe(
          Effect.mapError((error): StorageError | InvalidRequest | TooLarge =>
            error.reason._tag === "SourceFailed" ? sourceError(error.reason.cause) : error
          )
        )
      countBytes("received", bytes)
      return { key, bytes, sha256: hasher.digest(), head: Bytes.concat(heads) }
    })
  })
})

export const layer: Layer.Layer<Intake, never, BlobStore | Registry | Removal | Instance | Sha256> = Layer.effect(
  Intake,
  make
)
