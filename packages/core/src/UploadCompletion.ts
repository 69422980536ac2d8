/**
 * Making one file of the parts of an upload: all of it or nothing, whatever ends the attempt.
 *
 * The row of the upload names the file before there is one for clients. So whoever finds an attempt that nobody is
 * at any more knows what became of it: if the file came to be, the upload is complete, and else it is open again.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { BlobStore } from "./BlobStore.ts"
import * as Bytes from "./Bytes.ts"
import { type CallError, Conflicting, invalid } from "./CallError.ts"
import { FileCreation } from "./FileCreation.ts"
import { Instance } from "./Instance.ts"
import { Intake } from "./Intake.ts"
import { isVisible, type ManagedFile } from "./ManagedFile.ts"
import { Md5 } from "./Md5.ts"
import { Principal } from "./Principal.ts"
import { Registry } from "./Registry.ts"
import { Settings } from "./Settings.ts"
import { StorageError, Unavailable } from "./StorageError.ts"
import { UnifiedIds } from "./UnifiedId.ts"
import { closed, UploadParts } from "./UploadParts.ts"
import { UploadRows } from "./UploadRows.ts"
import * as UploadSession from "./UploadSession.ts"
import type { UploadPart } from "./UploadSession.ts"
import * as Uuid from "./Uuid.ts"

export class UploadCompletion extends Context.Service<
  UploadCompletion,
  {
    /**
     * Makes the file, which belongs to whoever began the upload. `parts` are the part IDs in the order of the content,
     * `md5` is in lower-case hex. An upload that is complete already answers its file again to the same request.
     */
    readonly run: (
      principal: Principal,
      upload: UploadSession.UploadSession,
      parts: ReadonlyArray<string>,
      md5: string | null
    ) => Effect.Effect<ManagedFile, CallError>
    /** Finds out what became of an attempt that is due, if nobody is at it any more. */
    readonly tend: (upload: UploadSession.UploadSession) => Effect.Effect<void, StorageError>
  }
>()("@omnifile/core/UploadCompletion") {}

/** The work of completing an upload. */
const completionOf = (key: string, attempt: string): string => `complete ${key} ${attempt}`

const inProgress = new Conflicting({ message: "The upload is being completed.", code: "upload_in_progress" })

/** Another instance took this one for dead and opened the upload again. */
const givenUp = new StorageError({
  backend: "registry",
  method: "complete",
  reason: new Unavailable({ cause: "the attempt was given up by another instance" })
})

const checksumMismatch = invalid("The content does not have this checksum.", "md5", "checksum_mismatch")

const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const creation = yield* FileCreation
  const ids = yield* UnifiedIds
  const instance = yield* Instance
  const intake = yield* Intake
  const md5Service = yield* Md5
  const parts = yield* UploadParts
  const registry = yield* Registry
  const rows = yield* UploadRows
  const { instanceTtl } = yield* Settings

  /** The content of one part after the other, each opened when its turn comes. */
  const joined = Effect.fnUntraced(function* (selected: ReadonlyArray<UploadPart>) {
    const run = yield* FiberSet.makeRuntimePromise()
    const all = yield* Effect.scope
    const open = Effect.fnUntraced(function* (key: string) {
      const scope = yield* Scope.fork(all)
      return { scope, bytes: yield* Scope.provide(blobs.open(key), scope) }
    })
    const content: Bytes.Bytes = {
      async *[Symbol.asyncIterator]() {
        for (const { key } of selected) {
          const { bytes, scope } = await run(open(key))
          yield* bytes
          await run(Scope.close(scope, Exit.void))
        }
      }
    }
    return content
  })

  /** Content that fails at its end unless it has this MD5. */
  const verified = (content: Bytes.Bytes, md5: string): Bytes.Bytes => ({
    async *[Symbol.asyncIterator]() {
      const hasher = md5Service.hasher()
      yield* Bytes.inspected(content, hasher.update)
      if (hasher.digest() !== md5) throw checksumMismatch
    }
  })

  /** Whoever completes the upload, what comes of it belongs to who began it. */
  const onBehalfOf = (principal: Principal, { owner }: UploadSession.UploadSession): Principal =>
    new Principal({ ...principal, user: owner.user, team: owner.team, keyHash: owner.keyHash })

  const makeFile = Effect.fnUntraced(function* (
    principal: Principal,
    upload: UploadSession.UploadSession,
    { attempt, md5 }: UploadSession.Completion,
    selected: ReadonlyArray<UploadPart>
  ) {
    const owner = onBehalfOf(principal, upload)
    const content = yield* joined(selected)
    const received = yield* intake.receive(owner, md5 === null ? content : verified(content, md5), upload.bytes)
    const named = yield* rows.modify(upload.key, (row) => UploadSession.withFile(row, attempt, received.key))
    if (named?.completion?.file !== received.key) return yield* givenUp
    return yield* creation.create(owner, {
      _tag: "CreateFile",
      content: received,
      filename: upload.filename,
      declaredType: upload.mimeType,
      purpose: upload.purpose,
      models: upload.models,
      expiresAfter: upload.fileExpiresAfter,
      idempotencyKey: null
    })
  })

  /** Takes the row out of `completing`, if what became of the file is decided. */
  const settle = Effect.fnUntraced(function* (key: string, { attempt, file }: UploadSession.Completion) {
    const row = file === null ? undefined : yield* registry.file(file)
    // A file that was there for clients has its ID, also when it has been deleted since.
    if (row !== undefined && row.id !== null) {
      const now = yield* Clock.currentTimeMillis
      return yield* rows.modify(key, (current) => UploadSession.complete(current, attempt, now))
    }
    // One that is still being made is undone by who looks after files.
    if (row?.state === "receiving" || row?.state === "creating") return undefined
    return yield* rows.modify(key, (current) => UploadSession.reopen(current, attempt, file))
  })

  const settleNow = (key: string, attempt: string) =>
    Effect.gen(function* () {
      const row = yield* rows.read(key)
      if (row?.state === "completing" && row.completion?.attempt === attempt) yield* settle(key, row.completion)
    }).pipe(Effect.catch((error) => Effect.logWarning("An upload will be completed or opened again later", error)))

  const attemptOnce = Effect.fnUntraced(function* (
    principal: Principal,
    upload: UploadSession.UploadSession,
    selected: ReadonlyArray<UploadPart>,
    md5: string | null
  ) {
    const completion = new UploadSession.Completion({
      attempt: yield* Uuid.make,
      instance: instance.id,
      parts: selected.map(({ key }) => key),
      md5,
      file: null
    })
    const { attempt } = completion
    const now = yield* Clock.currentTimeMillis
    yield* instance.hold(completionOf(upload.key, attempt))
    const begun = yield* Effect.acquireRelease(
      rows.modify(upload.key, (row) => UploadSession.begin(row, completion, now, now + instanceTtl)),
      () => settleNow(upload.key, attempt)
    )
    if (begun?.state === "completing" && begun.completion?.attempt !== attempt) return yield* inProgress
    if (begun?.completion?.attempt !== attempt) return yield* closed(begun ?? upload, now)
    return yield* Effect.scoped(makeFile(principal, upload, completion, selected))
  })

  const keyOf = (id: string) => Option.getOrUndefined(ids.decode("part", id))?.uuid

  /** What the same request has been answered before. */
  const completedBefore = Effect.fnUntraced(function* (
    upload: UploadSession.UploadSession,
    named: ReadonlyArray<string>,
    md5: string | null
  ) {
    const now = yield* Clock.currentTimeMillis
    const { completion } = upload
    const isSame =
      completion !== null &&
      completion.md5 === md5 &&
      completion.parts.length === named.length &&
      completion.parts.every((key, index) => keyOf(named[index] ?? "") === key)
    const file = isSame && completion.file !== null ? yield* registry.file(completion.file) : undefined
    return file !== undefined && isVisible(file, now) ? file : yield* closed(upload, now)
  })

  const run: UploadCompletion["Service"]["run"] = Effect.fn("UploadCompletion.run")(
    function* (principal, upload, named, md5) {
      if (upload.state === "completed") return yield* completedBefore(upload, named, md5)
      if (upload.state === "completing") return yield* inProgress
      const now = yield* Clock.currentTimeMillis
      if (!UploadSession.isOpen(upload, now)) return yield* closed(upload, now)
      const selected = yield* parts.select(upload, named)
      const bytes = selected.reduce((total, part) => total + part.bytes, 0)
      if (bytes !== upload.bytes) {
        const message = `The parts have ${bytes} bytes together; the upload was begun for ${upload.bytes}.`
        return yield* invalid(message, "part_ids", "invalid_upload_size")
      }
      return yield* Effect.scoped(attemptOnce(principal, upload, selected, md5))
    }
  )

  return UploadCompletion.of({
    run,
    tend: Effect.fnUntraced(function* ({ completion, key }) {
      if (completion === null) return
      const { attempt, instance: holder } = completion
      if (!(yield* instance.mayBeAt(holder, completionOf(key, attempt)))) {
        yield* Effect.logInfo("An upload whose completion broke off is looked after").pipe(
          Effect.annotateLogs({ upload: key })
        )
        yield* settle(key, completion)
        return
      }
      // Only its own instance puts the next look off: it alone knows that it has let go of it.
      if (holder !== instance.id) return
      const now = yield* Clock.currentTimeMillis
      yield* rows.modify(key, (row) => UploadSession.keepAlive(row, attempt, now + instanceTtl))
    })
  })
})

export const layer: Layer.Layer<
  UploadCompletion,
  never,
  BlobStore | FileCreation | Instance | Intake | Registry | UnifiedIds | UploadParts | UploadRows
> = Layer.effect(UploadCompletion, make)
