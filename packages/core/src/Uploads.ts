/** The operations on uploads in parts, as effects: what each promises, whoever calls and over whatever wire. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Access from "./Access.ts"
import { type CallError, Conflicting, invalid } from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import type { Call } from "./Hooks.ts"
import { type Holder, Idempotency } from "./Idempotency.ts"
import { isVisible } from "./ManagedFile.ts"
import type { Principal } from "./Principal.ts"
import { Registry } from "./Registry.ts"
import { idempotencyChange } from "./RegistryRecords.ts"
import { Settings } from "./Settings.ts"
import { isConflict, type StorageError } from "./StorageError.ts"
import * as TargetModels from "./TargetModels.ts"
import { UnifiedIds } from "./UnifiedId.ts"
import * as UploadCompletion from "./UploadCompletion.ts"
import type {
  CancelUpload,
  CompleteUpload,
  CreateUpload,
  Upload,
  UploadAnswers,
  UploadOperation
} from "./UploadOperation.ts"
import * as UploadParts from "./UploadParts.ts"
import * as UploadRows from "./UploadRows.ts"
import * as UploadSession from "./UploadSession.ts"
import * as Uuid from "./Uuid.ts"

export class Uploads extends Context.Service<
  Uploads,
  {
    /**
     * Stores the content of a part for the upload with this ID. If it is not added by the time that the scope closes,
     * it is discarded. Fails before the first byte is read if there is no such upload or it takes no parts any more.
     */
    readonly receive: UploadParts.UploadParts["Service"]["receive"]
    readonly run: (
      call: Call<UploadOperation>
    ) => Effect.Effect<UploadAnswers[UploadOperation["_tag"]], CallError, Scope.Scope>
  }
>()("@omnifile/core/Uploads") {}

const beingCompleted = new Conflicting({
  message: "The upload is being completed.",
  code: "upload_in_progress"
})

const make = Effect.gen(function* () {
  const catalog = yield* Catalog
  const completion = yield* UploadCompletion.UploadCompletion
  const idempotency = yield* Idempotency
  const ids = yield* UnifiedIds
  const parts = yield* UploadParts.UploadParts
  const registry = yield* Registry
  const rows = yield* UploadRows.UploadRows
  const { maxUploadSize } = yield* Settings

  const view = Effect.fnUntraced(function* (session: UploadSession.UploadSession) {
    const now = yield* Clock.currentTimeMillis
    const key = session.state === "completed" ? session.completion?.file : undefined
    const file = key === undefined || key === null ? undefined : yield* registry.file(key)
    const isThere = file !== undefined && isVisible(file, now)
    return { session, status: UploadSession.statusOf(session, now), file: isThere ? file : null }
  })

  /** An upload is what its key stands for as long as something can be done with it, or its file is there. */
  const holderOf = Effect.fnUntraced(function* (key: string): Effect.fn.Return<Holder<Upload>, StorageError> {
    const session = yield* rows.read(key)
    const upload = session === undefined ? undefined : yield* view(session)
    const isOfUse = upload !== undefined && (upload.status === "pending" || upload.file !== null)
    return isOfUse ? { _tag: "Done", value: upload } : { _tag: "Gone" }
  })

  const insert = Effect.fnUntraced(function* (
    principal: Principal,
    { bytes, expiresAfter, filename, idempotencyKey, mimeType, models, purpose }: CreateUpload,
    session: UploadSession.UploadSession
  ) {
    const row = registry.uploads.change(0, session)
    if (idempotencyKey === null) {
      yield* registry.commit([row])
      return null
    }
    return yield* idempotency.claim(principal, {
      collection: row.collection,
      row: row.key,
      key: idempotencyKey,
      fingerprint: [filename, bytes, mimeType, purpose, [...models].sort(), expiresAfter],
      holder: holderOf,
      take: (record, replaces) =>
        registry.commit([idempotencyChange(replaces, record), row]).pipe(
          Effect.as("Claimed" as const),
          Effect.catchIf(isConflict, () => Effect.succeed("Contended" as const))
        )
    })
  })

  const create = Effect.fn("Uploads.create")(function* (principal: Principal, operation: CreateUpload) {
    yield* TargetModels.check(catalog, principal, operation.models)
    if (operation.bytes > maxUploadSize) {
      return yield* invalid(`An upload has at most ${maxUploadSize} bytes.`, "bytes", "too_large")
    }
    const key = yield* Uuid.make
    const now = yield* Clock.currentTimeMillis
    const expiresAt = now + UploadSession.lifetime
    const session = new UploadSession.UploadSession({
      key,
      id: ids.encode({ _tag: "Upload", uuid: key }),
      state: "pending",
      owner: Access.ownerOf(principal),
      filename: operation.filename,
      bytes: operation.bytes,
      mimeType: operation.mimeType,
      purpose: operation.purpose,
      models: [...operation.models],
      fileExpiresAfter: operation.expiresAfter,
      createdAt: now,
      expiresAt,
      completion: null,
      dueAt: expiresAt
    })
    return (yield* insert(principal, operation, session)) ?? (yield* view(session))
  })

  const complete = Effect.fnUntraced(function* (principal: Principal, { id, md5, parts: named }: CompleteUpload) {
    const session = yield* rows.find(principal, id)
    const file = yield* completion.run(principal, session, named, md5)
    return { session, status: "completed" as const, file }
  })

  const cancel = Effect.fn("Uploads.cancel")(function* (principal: Principal, { id }: CancelUpload) {
    const session = yield* rows.find(principal, id)
    const now = yield* Clock.currentTimeMillis
    const after = (yield* rows.modify(session.key, (row) => UploadSession.cancel(row, now))) ?? session
    if (after.state === "completing") return yield* beingCompleted
    return after.state === "cancelled" ? yield* view(after) : yield* UploadParts.closed(after, now)
  })

  return Uploads.of({
    receive: parts.receive,
    run: ({ operation, principal }) => {
      const { _tag } = operation
      switch (_tag) {
        case "CreateUpload":
          return Effect.map(create(principal, operation), (upload) => ({ _tag, upload }))
        case "AddUploadPart":
          return Effect.map(parts.add(principal, operation.id, operation.part, operation.idempotencyKey), (part) => ({
            _tag,
            part
          }))
        case "CompleteUpload":
          return Effect.map(complete(principal, operation), (upload) => ({ _tag, upload }))
        case "CancelUpload":
          return Effect.map(cancel(principal, operation), (upload) => ({ _tag, upload }))
      }
    }
  })
})

export const layer = Layer.effect(Uploads, make).pipe(
  Layer.provideMerge(UploadCompletion.layer),
  Layer.provideMerge(UploadParts.layer),
  Layer.provideMerge(UploadRows.layer)
)
