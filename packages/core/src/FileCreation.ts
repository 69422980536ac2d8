/**
 * Making a file of content that is received: one copy in each account of its target models, all at once; all
 * or nothing of it, or as much as there is, as the installation wishes.
 *
 * The row says `creating` from before the first provider call until every copy is decided. Whatever ends the
 * call before that (a failure, a client that leaves, a crash) undoes it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { BlobStore } from "./BlobStore.ts"
import { AccountFailure, type CallError, invalid, ProvidersFailed } from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import * as ContentType from "./ContentType.ts"
import { CopyUpload } from "./CopyUpload.ts"
import * as CreationCopies from "./CreationCopies.ts"
import type { CreationPlan, PlannedCopy } from "./CreationCopies.ts"
import { type Holder, Idempotency } from "./Idempotency.ts"
import { Instance } from "./Instance.ts"
import { isVisible, type ManagedFile, type Replica, update } from "./ManagedFile.ts"
import type { CreateFile } from "./Operation.ts"
import type { Principal } from "./Principal.ts"
import { Registry } from "./Registry.ts"
import * as Renewal from "./Renewal.ts"
import { backoff, Removal } from "./Removal.ts"
import { Settings } from "./Settings.ts"
import type { Sha256 } from "./Sha256.ts"
import { StorageError, Unavailable } from "./StorageError.ts"
import * as TargetModels from "./TargetModels.ts"
import { UnifiedIds } from "./UnifiedId.ts"

export class FileCreation extends Context.Service<
  FileCreation,
  {
    /**
     * Succeeds with the ready file. Under an idempotency key that has been used for the same request, with
     * the file of that time.
     */
    readonly create: (principal: Principal, operation: CreateFile) => Effect.Effect<ManagedFile, CallError>
  }
>()("@omnifile/core/FileCreation") {}

const expiryOf = ({ expiresAfter }: CreateFile, now: number): number | null =>
  expiresAfter === null ? null : now + expiresAfter * 1000

/** Another instance took this one for dead and undid its upload. */
const givenUp = new StorageError({
  backend: "registry",
  method: "create",
  reason: new Unavailable({ cause: "the upload was undone by another instance" })
})

const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const catalog = yield* Catalog
  const creationCopies = yield* CreationCopies.make
  const idempotency = yield* Idempotency
  const ids = yield* UnifiedIds
  const instance = yield* Instance
  const registry = yield* Registry
  const removal = yield* Removal
  const settings = yield* Settings
  const upload = yield* CopyUpload

  /** The row with all that is known now, and the intent to make each copy. */
  const begun = (row: ManagedFile, operation: CreateFile, { copies, lines }: CreationPlan, now: number) =>
    update(row, {
      state: "creating",
      filename: operation.filename,
      bytes: operation.content.bytes,
      sha256: operation.content.sha256,
      declaredType: ContentType.parse(operation.declaredType),
      contentType: ContentType.detect(operation.declaredType, operation.filename, operation.content.head),
      purpose: operation.purpose,
      expiresAt: expiryOf(operation, now),
      models: [...operation.models],
      replicas: copies.map(({ account, source }) => upload.intent(account, now, source)),
      lines,
      instance: instance.id,
      dueAt: now + settings.instanceTtl
    })

  const holderOf = Effect.fnUntraced(function* (key: string): Effect.fn.Return<Holder<ManagedFile>, StorageError> {
    const file = yield* registry.file(key)
    const now = yield* Clock.currentTimeMillis
    if (file !== undefined && isVisible(file, now)) return { _tag: "Done", value: file }
    return { _tag: file?.state === "creating" ? "Working" : "Gone" }
  })

  const claimKey = (
    principal: Principal,
    { content, declaredType, expiresAfter, filename, models, purpose }: CreateFile,
    key: string,
    change: (row: ManagedFile) => ManagedFile | undefined
  ) =>
    idempotency.claim(principal, {
      collection: "files",
      row: content.key,
      key,
      fingerprint: [content.sha256, filename, declaredType, purpose, [...models].sort(), expiresAfter],
      holder: holderOf,
      take: (record, replaces) =>
        registry.claimIdempotency(record, replaces, (row) => {
          const changed = change(row)
          return changed === undefined ? undefined : update(changed, { idempotency: record.key })
        })
    })

  /** Takes the row from `receiving` to `creating`; or answers the file that an equal request has made. */
  const begin = Effect.fnUntraced(function* (principal: Principal, operation: CreateFile, plan: CreationPlan) {
    const now = yield* Clock.currentTimeMillis
    const change = (row: ManagedFile) => (row.state === "receiving" ? begun(row, operation, plan, now) : undefined)
    if (operation.idempotencyKey !== null) {
      const made = yield* claimKey(principal, operation, operation.idempotencyKey, change)
      if (made !== null) return made
    }
    const row = yield* registry.modifyFile(operation.content.key, change)
    return row?.state === "creating" ? row : yield* givenUp
  })

  const copyTo = Effect.fnUntraced(function* (row: ManagedFile, planned: ReadonlyArray<PlannedCopy>) {
    const outcomes = yield* Effect.forEach(
      planned,
      ({ account, source }) => Effect.result(upload.run(row, account, source)),
      { concurrency: "unbounded" }
    )
    const copies = outcomes.filter(Result.isSuccess).map(({ success }) => success)
    const errors = outcomes.filter(Result.isFailure).map(({ failure }) => failure)
    const broken = errors.find((error) => error instanceof StorageError)
    if (broken !== undefined) return yield* broken
    const failures = errors.filter((error) => error instanceof AccountFailure)
    if (failures.length > 0 && (settings.onPartialFailure === "all" || copies.length === 0)) {
      const reasons = failures.map(({ account, message }) => `${account} ${message}`)
      return yield* new ProvidersFailed({ message: `The file could not be uploaded: ${reasons.join("; ")}.`, failures })
    }
    return { copies, complete: failures.length === 0 }
  })

  const identify = (row: ManagedFile, first: Replica | undefined) =>
    Effect.try({
      try: () =>
        ids.encode({
          _tag: "File",
          uuid: row.key,
          contentType: row.contentType,
          models: row.models,
          providerFileId: first?.remoteId ?? null,
          deployment: first === undefined ? null : (deploymentOn(first.account, row.models) ?? null)
        }),
      catch: () => invalid("The names of the target models are too long together.", "target_model_names")
    })

  const deploymentOn = (account: string, models: ReadonlyArray<string>): string | undefined =>
    models.flatMap((model) => catalog.deploymentsOf(model)).find((deployment) => deployment.account === account)?.id

  const publish = Effect.fnUntraced(function* (
    row: ManagedFile,
    operation: CreateFile,
    copies: ReadonlyArray<Replica>,
    complete: boolean
  ) {
    const id = yield* identify(row, copies[0])
    // Before the file is there for clients: nobody would look after its content once it is said not to be kept.
    if (!settings.keepContent) yield* Effect.ignore(blobs.remove(row.key), { log: true })
    const now = yield* Clock.currentTimeMillis
    const published = yield* registry.modifyFile(row.key, (current) => {
      if (current.state !== "creating") return undefined
      const expiresAt = expiryOf(operation, now)
      const due = [
        ...(expiresAt === null ? [] : [expiresAt]),
        ...(complete ? [] : [now + backoff(0)]),
        ...(current.lostUploads.length === 0 ? [] : [now])
      ]
      const ready = update(current, {
        state: "ready",
        id,
        createdAt: now,
        expiresAt,
        kept: settings.keepContent,
        instance: null,
        dueAt: due.length === 0 ? null : Math.min(...due)
      })
      return Renewal.schedule(ready, settings)
    })
    if (published?.state !== "ready") return yield* givenUp
    return published
  })

  /** What fails because row and content are not there any more is no failure of an account or of the storage. */
  const givenUpOr = (key: string, error: CallError): Effect.Effect<never, CallError> =>
    registry.freshFile(key).pipe(
      Effect.catch(() => Effect.fail(error)),
      Effect.flatMap((found) => {
        const state = found?.value.state
        return Effect.fail(state === "receiving" || state === "creating" ? error : givenUp)
      })
    )

  return FileCreation.of({
    create: Effect.fn("FileCreation.create")(function* (principal, operation) {
      yield* TargetModels.check(catalog, principal, operation.models)
      const { key } = operation.content
      return yield* Effect.gen(function* () {
        const plan = yield* creationCopies.plan(principal, operation)
        if (plan.copies.length === 0 && !settings.keepContent) {
          return yield* invalid("No account of these models takes such files.", "purpose", "file_not_available")
        }
        const row = yield* begin(principal, operation, plan)
        if (row.key !== key) return row
        const { complete, copies } = yield* copyTo(row, plan.copies)
        return yield* publish(row, operation, copies, complete)
      }).pipe(
        Effect.catch((error) => givenUpOr(key, error)),
        Effect.onExit((exit) =>
          Exit.isSuccess(exit) ? Effect.void : removal.discardUnless(key, ({ state }) => state === "ready")
        )
      )
    })
  })
})

export const layer: Layer.Layer<
  FileCreation,
  never,
  BlobStore | Catalog | CopyUpload | Idempotency | Instance | Registry | Removal | Sha256 | UnifiedIds
> = Layer.effect(FileCreation, make)
