/** The Files API, as effects: what each operation promises, whoever calls and over whatever wire. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Access from "./Access.ts"
import { BlobStore } from "./BlobStore.ts"
import * as Bytes from "./Bytes.ts"
import { type CallError, ContentUnavailable, invalid, NotFound, RangeNotSatisfiable } from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import * as ContentMetrics from "./ContentMetrics.ts"
import { FileCreation } from "./FileCreation.ts"
import { fileInUse } from "./FileInUse.ts"
import { FileLookup } from "./FileLookup.ts"
import { isLive, isVisible, type ManagedFile, originalVariant, Replica, withReplica } from "./ManagedFile.ts"
import type { CreateFile, DeleteFile, FileContent, ListFiles, ListReplicas, RetrieveFile } from "./Operation.ts"
import type { Principal } from "./Principal.ts"
import type { Provider, ProviderCall } from "./Provider.ts"
import { Registry } from "./Registry.ts"
import { listPosition } from "./RegistryIndexes.ts"
import { Removal } from "./Removal.ts"
import * as Span from "./Span.ts"
import { Upstream } from "./Upstream.ts"

export interface FilePage {
  readonly files: ReadonlyArray<ManagedFile>
  readonly hasMore: boolean
}

export interface Content {
  readonly file: ManagedFile
  readonly bytes: Bytes.Bytes
  /** What `bytes` is of the file; null is all of it. */
  readonly range: Bytes.ResolvedRange | null
}

export class Files extends Context.Service<
  Files,
  {
    readonly create: (principal: Principal, operation: CreateFile) => Effect.Effect<ManagedFile, CallError>
    readonly list: (principal: Principal, operation: ListFiles) => Effect.Effect<FilePage, CallError>
    readonly retrieve: (principal: Principal, operation: RetrieveFile) => Effect.Effect<ManagedFile, CallError>
    /**
     * The client's own bytes: from our store, else from any live copy, whose provider may not know ranges
     * (then all of it comes).
     */
    readonly content: (principal: Principal, operation: FileContent) => Effect.Effect<Content, CallError, Scope.Scope>
    /**
     * The file is gone for clients when this succeeds. Its copies are being deleted, and will be until all
     * are gone. `Conflicting` as long as a job that is not over reads it.
     */
    readonly remove: (principal: Principal, operation: DeleteFile) => Effect.Effect<ManagedFile, CallError>
    readonly replicas: (
      principal: Principal,
      operation: ListReplicas
    ) => Effect.Effect<ReadonlyArray<Replica>, CallError>
  }
>()("@omnifile/core/Files") {}

/** How the bytes of a copy are asked for, wherever it lies; null where the provider has no such place. */
const contentCall = (provider: Provider, remoteId: string, container: string | null): ProviderCall | null =>
  container === null
    ? (provider.files?.content?.(remoteId) ?? null)
    : (provider.containerFiles?.content(container, remoteId) ?? null)

/** A deletion is answered when all copies are gone, or after this time, whichever comes first. */
const deletionPatience = Duration.seconds(1)

const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const catalog = yield* Catalog
  const countBytes = yield* ContentMetrics.make
  const creation = yield* FileCreation
  const lookup = yield* FileLookup
  const registry = yield* Registry
  const removal = yield* Removal
  const upstream = yield* Upstream
  const scope = yield* Effect.scope

  const list = Effect.fnUntraced(function* (principal: Principal, operation: ListFiles) {
    const { limit, order, purpose } = operation
    let after =
      operation.after === null
        ? undefined
        : yield* lookup.findCursor(principal, operation.after).pipe(
            Effect.map(listPosition),
            Effect.catchTag("NotFound", () => Effect.fail(invalid("There is no such file to continue after.", "after")))
          )
    const scopes = Access.scopesOfPrincipal(principal)
    const now = yield* Clock.currentTimeMillis
    const files: Array<ManagedFile> = []
    // Files that have expired since the last sweep are passed over, so a page may take several scans.
    while (files.length <= limit) {
      const wanted = limit + 1 - files.length
      const page = yield* registry.listFiles({ scopes, purpose, order, after, limit: wanted })
      files.push(...page.filter((file) => isVisible(file, now)))
      const last = page.at(-1)
      if (page.length < wanted || last === undefined) break
      after = listPosition(last)
    }
    return { files: files.slice(0, limit), hasMore: files.length > limit }
  })

  /** The copy of one account as a stream; null if that account does not have it. */
  const fromReplica = Effect.fnUntraced(function* (file: ManagedFile, replica: Replica) {
    const target = catalog.accounts.get(replica.account)
    if (target === undefined || replica.remoteId === null) return null
    const call = contentCall(target.provider, replica.remoteId, replica.container)
    if (call === null) return null
    const answer = yield* Effect.result(upstream.send(target, call))
    if (Result.isSuccess(answer)) return answer.success.body
    const error = answer.failure
    yield* Effect.logInfo("A copy could not be read", error)
    if (!error.absent) return null
    const now = yield* Clock.currentTimeMillis
    yield* registry.modifyFile(file.key, (current) =>
      current.replicas.some((other) => other.account === replica.account && other.remoteId === replica.remoteId)
        ? withReplica(
            current,
            new Replica({ ...replica, state: "expired", updatedAt: now, error: "lost at the provider" })
          )
        : undefined
    )
    return null
  })

  const fromCopies = Effect.fnUntraced(function* (file: ManagedFile) {
    const now = yield* Clock.currentTimeMillis
    const live = file.replicas.filter((replica) => replica.variant === originalVariant && isLive(replica, now))
    for (const replica of live) {
      const bytes = yield* fromReplica(file, replica)
      if (bytes !== null) return { file, bytes, range: null }
    }
    return yield* new ContentUnavailable({
      id: file.id ?? "",
      message:
        live.length === 0
          ? "The content is not kept here, and no provider copy of the file is left."
          : "The content is not kept here, and no provider that has a copy gives it out."
    })
  })

  const content = Effect.fnUntraced(function* (principal: Principal, operation: FileContent) {
    const file = yield* lookup.find(principal, operation.id)
    if (!file.kept) return yield* fromCopies(file)
    const range = operation.range === null ? null : Bytes.resolveRange(operation.range, file.bytes)
    if (range === null && operation.range !== null) return yield* new RangeNotSatisfiable({ bytes: file.bytes })
    const opened = yield* Effect.result(blobs.open(file.key, range ?? { offset: 0 }))
    if (Result.isSuccess(opened)) return { file, bytes: opened.success, range }
    if (opened.failure.reason._tag !== "Missing") return yield* opened.failure
    yield* Effect.logError("The content of a file is missing in the store", opened.failure)
    return yield* fromCopies(file)
  })

  const counted = (content: Content): Content => {
    countBytes("sent", content.range?.length ?? content.file.bytes)
    return content
  }

  const remove = Effect.fn("Files.remove")(function* (principal: Principal, operation: DeleteFile) {
    const file = yield* lookup.find(principal, operation.id)
    const mark = yield* removal.mark(file.key)
    if (mark._tag === "InUse") return yield* fileInUse(operation.id, mark.readers)
    // Somebody else's deletion came first.
    if (mark._tag === "Gone") return yield* new NotFound({ id: operation.id, param: null })
    const running = yield* Effect.forkIn(removal.run(file.key), scope, { startImmediately: true })
    yield* Effect.raceFirst(Fiber.await(running), Effect.sleep(deletionPatience))
    return file
  })

  return Files.of({
    create: creation.create,
    list: (principal, operation) => Span.onDemand(list(principal, operation), "Files.list"),
    retrieve: (principal, { id }) => lookup.find(principal, id),
    content: (principal, operation) =>
      Span.onDemand(Effect.map(content(principal, operation), counted), "Files.content"),
    remove,
    replicas: (principal, { id }) => Effect.map(lookup.find(principal, id), ({ replicas }) => replicas)
  })
})

export const layer: Layer.Layer<
  Files,
  never,
  BlobStore | Catalog | FileCreation | FileLookup | Registry | Removal | Upstream
> = Layer.effect(Files, make)
