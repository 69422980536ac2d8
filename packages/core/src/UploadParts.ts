/**
 * The parts of uploads: each is a row and, under the same key, its content. The row is written before the first
 * byte, so that what a crash leaves behind is found again.
 *
 * Parts are added side by side, so none of them touches the row of the upload. What ends an upload removes the parts
 * that are there; a part that comes to be at that moment sees afterwards that its upload has ended, and goes.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { BlobStore } from "./BlobStore.ts"
import * as Bytes from "./Bytes.ts"
import { type CallError, invalid, InvalidRequest, TooLarge } from "./CallError.ts"
import { type Holder, Idempotency } from "./Idempotency.ts"
import { Instance } from "./Instance.ts"
import type { Principal } from "./Principal.ts"
import type { Versioned } from "./Records.ts"
import { Registry } from "./Registry.ts"
import { instant } from "./RegistryIndexes.ts"
import { idempotencyChange } from "./RegistryRecords.ts"
import { Settings } from "./Settings.ts"
import { Sha256 } from "./Sha256.ts"
import { isConflict, StorageError, Unavailable } from "./StorageError.ts"
import { UnifiedIds } from "./UnifiedId.ts"
import type { ReceivedPart } from "./UploadOperation.ts"
import { UploadRows } from "./UploadRows.ts"
import { isOpen, maxPartBytes, statusOf, UploadPart, type UploadSession } from "./UploadSession.ts"
import * as Uuid from "./Uuid.ts"

export class UploadParts extends Context.Service<
  UploadParts,
  {
    /** As `Uploads` promises. */
    readonly receive: (
      principal: Principal,
      upload: string,
      bytes: Bytes.Bytes,
      options?: { readonly digest?: boolean | undefined }
    ) => Effect.Effect<ReceivedPart, CallError, Scope.Scope>
    /**
     * Makes what was received for this very upload a part of it; or answers the part that was made of the same content
     * under the idempotency key.
     */
    readonly add: (
      principal: Principal,
      upload: string,
      received: ReceivedPart,
      idempotencyKey: string | null
    ) => Effect.Effect<UploadPart, CallError>
    /** The parts of an upload by their IDs, in that order; each must be one, and be named once. */
    readonly select: (
      upload: UploadSession,
      ids: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<UploadPart>, InvalidRequest | StorageError>
    /**
     * Removes the parts of an upload that has ended. False while somebody may still be at one of them, or if one
     * could not be removed.
     */
    readonly removeAll: (upload: string) => Effect.Effect<boolean, StorageError>
    /** Parts whose background work is due at `now` or before. */
    readonly due: (now: number, limit: number) => Effect.Effect<ReadonlyArray<UploadPart>, StorageError>
    /** Removes a part that nobody receives any more. */
    readonly tend: (part: UploadPart) => Effect.Effect<void, StorageError>
  }
>()("@omnifile/core/UploadParts") {}

/** The work of receiving a part. */
const receptionOf = (key: string): string => `receive part ${key}`

const pageSize = 500

/** An upload takes nothing any more. */
export const closed = (session: UploadSession, now: number): InvalidRequest =>
  invalid(`The upload ${session.id} is ${statusOf(session, now)}.`, null, "invalid_upload_state")

const brokenOff = invalid("The upload broke off before the end of the part.", "data")

const sourceError = (cause: unknown): InvalidRequest | TooLarge =>
  cause instanceof TooLarge || cause instanceof InvalidRequest ? cause : brokenOff

/** Another instance took this one for dead and removed what it received. */
const givenUp = new StorageError({
  backend: "registry",
  method: "add part",
  reason: new Unavailable({ cause: "the part was removed by another instance" })
})

const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const idempotency = yield* Idempotency
  const ids = yield* UnifiedIds
  const instance = yield* Instance
  const registry = yield* Registry
  const rows = yield* UploadRows
  const sha256 = yield* Sha256
  const { instanceTtl } = yield* Settings
  const { parts } = registry

  /** Replaces the row that was read. False if somebody else's change came first. */
  const replace = (found: Versioned<UploadPart>, after: UploadPart | null) =>
    registry
      .commit([after === null ? parts.removal(found.version, found.value.key) : parts.change(found.version, after)])
      .pipe(
        Effect.as(true),
        Effect.catchIf(isConflict, () => Effect.succeed(false))
      )

  const open = Effect.fnUntraced(function* (principal: Principal, upload: string) {
    const session = yield* rows.find(principal, upload)
    const now = yield* Clock.currentTimeMillis
    return isOpen(session, now) ? session : yield* closed(session, now)
  })

  const drop = Effect.fnUntraced(function* (found: Versioned<UploadPart>) {
    yield* blobs.remove(found.value.key)
    yield* replace(found, null)
  })

  /** Marked first: who received it after all must not find its row, once the content is being removed. */
  const abandon = Effect.fnUntraced(function* (found: Versioned<UploadPart>) {
    const now = yield* Clock.currentTimeMillis
    const marked = new UploadPart({ ...found.value, state: "removing", dueAt: now })
    if (yield* replace(found, marked)) yield* drop({ value: marked, version: found.version + 1 })
  })

  const mayBeReceived = ({ instance: holder, key, state }: UploadPart) =>
    state === "receiving" ? instance.mayBeAt(holder, receptionOf(key)) : Effect.succeed(false)

  /** Removes whatever is there of a part, unless it was stored. */
  const discardUnlessStored = (key: string) =>
    Effect.gen(function* () {
      const found = yield* parts.read(key)
      if (found === undefined) return yield* blobs.remove(key)
      if (found.value.state === "receiving") yield* abandon(found)
      if (found.value.state === "removing") yield* drop(found)
    }).pipe(Effect.catch((error) => Effect.logWarning("An unfinished part will be removed later", error)))

  const insert = Effect.fnUntraced(function* (session: UploadSession, key: string) {
    const now = yield* Clock.currentTimeMillis
    const part = new UploadPart({
      key,
      id: ids.encode({ _tag: "Part", uuid: key, upload: session.key }),
      upload: session.key,
      state: "receiving",
      bytes: 0,
      createdAt: now,
      instance: instance.id,
      dueAt: now + instanceTtl
    })
    yield* registry.commit([parts.change(0, part)])
  })

  const receive: UploadParts["Service"]["receive"] = Effect.fn("UploadParts.receive")(function* (
    principal,
    upload,
    source,
    { digest = false } = {}
  ) {
    const session = yield* open(principal, upload)
    const key = yield* Uuid.make
    // Released last: whatever the discarding could not do is for background work from then on.
    yield* instance.hold(receptionOf(key))
    yield* Effect.acquireRelease(insert(session, key), () => discardUnlessStored(key))
    const hasher = digest ? sha256.hasher() : null
    let bytes = 0
    const measured = Bytes.inspected(source, (chunk) => {
      bytes += chunk.byteLength
      hasher?.update(chunk)
      if (bytes > maxPartBytes) {
        throw new TooLarge({ message: `The part is larger than ${maxPartBytes} bytes.`, param: "data" })
      }
    })
    yield* blobs
      .put(key, measured)
      .pipe(
        Effect.mapError((error) => (error.reason._tag === "SourceFailed" ? sourceError(error.reason.cause) : error))
      )
    if (bytes === 0) return yield* invalid("The part is empty.", "data")
    return { key, bytes, sha256: hasher === null ? null : hasher.digest() }
  })

  const storedOf = (part: UploadPart, { bytes }: ReceivedPart) =>
    new UploadPart({ ...part, state: "stored", bytes, dueAt: null })

  /** Undefined if it is there no more, or was never received for this upload. */
  const store = Effect.fnUntraced(function* (upload: string, received: ReceivedPart) {
    for (;;) {
      const found = yield* parts.read(received.key)
      if (found?.value.upload !== upload || found.value.state === "removing") return undefined
      if (found.value.state === "stored") return found
      const stored = storedOf(found.value, received)
      if (yield* replace(found, stored)) return { value: stored, version: found.version + 1 }
    }
  })

  /** The part of an equal request under the key; or null, and then what was received is stored if it can be. */
  const claim = (principal: Principal, upload: string, received: ReceivedPart, key: string) =>
    idempotency.claim(principal, {
      collection: "upload_parts",
      row: received.key,
      key,
      fingerprint: [upload, received.sha256],
      holder: (row) =>
        Effect.map(parts.read(row), (found): Holder<UploadPart> =>
          found?.value.state === "stored" ? { _tag: "Done", value: found.value } : { _tag: "Gone" }
        ),
      take: Effect.fnUntraced(function* (record, replaces) {
        const found = yield* parts.read(received.key)
        if (found?.value.state !== "receiving") return "Refused"
        const stored = parts.change(found.version, storedOf(found.value, received))
        return yield* registry.commit([idempotencyChange(replaces, record), stored]).pipe(
          Effect.as("Claimed" as const),
          Effect.catchIf(isConflict, () => Effect.succeed("Contended" as const))
        )
      })
    })

  const add: UploadParts["Service"]["add"] = Effect.fn("UploadParts.add")(function* (
    principal,
    upload,
    received,
    idempotencyKey
  ) {
    const session = yield* open(principal, upload)
    if (idempotencyKey !== null) {
      const earlier = yield* claim(principal, session.key, received, idempotencyKey)
      if (earlier !== null) return earlier
    }
    const stored = yield* store(session.key, received)
    if (stored === undefined) return yield* givenUp
    const now = yield* Clock.currentTimeMillis
    const after = (yield* rows.read(session.key)) ?? session
    // What ended the upload meanwhile may not have seen this part.
    if (isOpen(after, now) || after.state === "completing") return stored.value
    yield* drop(stored)
    return yield* closed(after, now)
  }, Effect.uninterruptible)

  const select: UploadParts["Service"]["select"] = Effect.fnUntraced(function* (upload, named) {
    const keys = new Set<string>()
    for (const [index, id] of named.entries()) {
      const identity = ids.decode("part", id)
      if (Option.isNone(identity) || identity.value.upload !== upload.key) return yield* notAPart(id, index)
      if (keys.has(identity.value.uuid)) {
        return yield* invalid(`The part ${id} is named more than once.`, `part_ids[${index}]`)
      }
      keys.add(identity.value.uuid)
    }
    const found = yield* parts.readMany([...keys])
    const selected: Array<UploadPart> = []
    for (const [index, id] of named.entries()) {
      const part = found[index]?.value
      if (part?.state !== "stored" || part.id !== id) return yield* notAPart(id, index)
      selected.push(part)
    }
    return selected
  })

  const removeAll: UploadParts["Service"]["removeAll"] = Effect.fnUntraced(function* (upload) {
    let isEmpty = true
    let after: { readonly sort: string; readonly key: string } | undefined
    for (;;) {
      const page = yield* parts.scan({ index: "upload", partitions: [upload], order: "asc", after, limit: pageSize })
      for (const found of page) {
        if (found.value.state !== "receiving") yield* drop(found)
        else if (yield* mayBeReceived(found.value)) isEmpty = false
        else yield* abandon(found)
      }
      const last = page.at(-1)?.value
      if (last === undefined || page.length < pageSize) return isEmpty
      after = { sort: instant(last.createdAt), key: last.key }
    }
  })

  return UploadParts.of({
    receive,
    add,
    select,
    removeAll,
    due: (now, limit) =>
      Effect.map(
        parts.scanUnderstood({ index: "due", partitions: ["all"], order: "asc", until: instant(now), limit }),
        (found) => found.map(({ value }) => value)
      ),
    tend: Effect.fnUntraced(function* ({ key }) {
      const found = yield* parts.read(key)
      if (found === undefined || found.value.state === "stored") return
      if (yield* mayBeReceived(found.value)) {
        // Only its own instance puts the next look off: it alone knows that it has let go of it.
        if (found.value.instance !== instance.id) return
        const now = yield* Clock.currentTimeMillis
        yield* replace(found, new UploadPart({ ...found.value, dueAt: now + instanceTtl }))
        return
      }
      yield* found.value.state === "removing" ? drop(found) : abandon(found)
    })
  })
})

const notAPart = (id: string, index: number): InvalidRequest =>
  invalid(`${id} is not a part of this upload.`, `part_ids[${index}]`)

export const layer: Layer.Layer<
  UploadParts,
  never,
  BlobStore | Idempotency | Instance | Registry | Sha256 | UnifiedIds | UploadRows
> = Layer.effect(UploadParts, make)
