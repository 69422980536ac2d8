/**
 * Files that providers make: the output of a batch, the results of fine-tuning, what a tool leaves in its container.
 * Each becomes one managed file of its owner, whoever comes upon it and however often.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type { Owner } from "./Access.ts"
import { BlobStore } from "./BlobStore.ts"
import { ContentUnavailable } from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import * as ContentType from "./ContentType.ts"
import { containerVariant, isLive, ManagedFile, originalVariant, type Purpose, Replica, update } from "./ManagedFile.ts"
import type { RemoteFile } from "./Provider.ts"
import * as MeasuredBytes from "./MeasuredBytes.ts"
import { ProviderError } from "./ProviderError.ts"
import { Registry } from "./Registry.ts"
import { hexOfText, Sha256 } from "./Sha256.ts"
import { isConflict, type StorageError } from "./StorageError.ts"
import { UnifiedIds } from "./UnifiedId.ts"
import { type ProviderAccount, Upstream } from "./Upstream.ts"
import * as Uuid from "./Uuid.ts"

/** A file that a provider has made. What is not given, the provider is asked for. */
export interface Output {
  readonly owner: Owner
  readonly account: string
  /** The deployment that made it, or null. */
  readonly deployment: string | null
  /** The container of tools that holds it, in the provider's own words, or null. */
  readonly container: string | null
  readonly remoteId: string
  readonly purpose: Purpose
  readonly filename?: string | undefined
  /** What a name that the provider gave it becomes here: many such names have an ID of the provider's in them. */
  readonly renamed?: ((filename: string) => string) | undefined
  readonly bytes?: number | undefined
  /** Milliseconds since 1970. */
  readonly createdAt?: number | undefined
  readonly expiresAt?: number | null | undefined
}

export class OutputFiles extends Context.Service<
  OutputFiles,
  {
    /**
     * The file's row: the one that there is, in whatever state, or else a new one, ready and with the provider's copy
     * as its only content. A copy that somebody uploaded through us keeps that file, whoever owns it.
     */
    readonly register: (output: Output) => Effect.Effect<ManagedFile, ContentUnavailable | ProviderError | StorageError>
    /** The row as it is with the content in our own store, so that it outlives the provider's copy. */
    readonly pull: (file: ManagedFile) => Effect.Effect<ManagedFile, ContentUnavailable | ProviderError | StorageError>
    /** The file that owns a provider's copy, if we know it. */
    readonly find: (account: string, remoteId: string) => Effect.Effect<ManagedFile | undefined, StorageError>
  }
>()("@omnifile/core/OutputFiles") {}

const gone = (id: string, message: string) => Effect.fail(new ContentUnavailable({ id, message }))

const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const catalog = yield* Catalog
  const ids = yield* UnifiedIds
  const registry = yield* Registry
  const sha256 = yield* Sha256
  const upstream = yield* Upstream

  /** The same for everybody who comes upon the same file. */
  const keyOf = ({ account, container, remoteId }: Output): string =>
    Uuid.fromDigest(hexOfText(sha256, ["output", account, container ?? "", remoteId].join("\0")))

  const targetOf = (account: string, id: string) => {
    const target = catalog.accounts.get(account)
    return target === undefined
      ? gone(id, `The account ${account}, where the file lies, is not configured any more.`)
      : Effect.succeed(target)
  }

  const retrieve = (
    target: ProviderAccount,
    container: string | null,
    remoteId: string
  ): Effect.Effect<RemoteFile, ContentUnavailable | ProviderError> => {
    const { containerFiles, files } = target.provider
    if (container === null) {
      return files === null
        ? gone("", `The account ${target.account.id} has no files.`)
        : upstream.request(target, Effect.succeed(files.retrieve(remoteId)), files.decodeFile)
    }
    return containerFiles === null
      ? gone("", `The account ${target.account.id} has no files in containers.`)
      : upstream.request(
          target,
          Effect.succeed(containerFiles.retrieve(container, remoteId)),
          containerFiles.decodeFile
        )
  }

  const describe = Effect.fnUntraced(function* (output: Output) {
    const { account, bytes, container, createdAt, expiresAt, filename, remoteId } = output
    if (filename !== undefined && bytes !== undefined) {
      return { id: remoteId, filename, bytes, createdAt: createdAt ?? null, expiresAt: expiresAt ?? null }
    }
    const target = yield* targetOf(account, "")
    return yield* retrieve(target, container, remoteId).pipe(
      // Some providers give such a file out, and know nothing of it.
      Effect.catchIf(
        (error) => error instanceof ProviderError && error.absent && container === null,
        (error) => {
          const content = target.provider.files?.content?.(remoteId)
          return content === undefined
            ? Effect.fail(error)
            : Effect.scoped(upstream.send(target, content)).pipe(
                Effect.as({ id: remoteId, filename: null, bytes: null, createdAt: null, expiresAt: null }),
                Effect.mapError(() => error)
              )
        }
      )
    )
  })

  const rowOf = (output: Output, key: string, remote: Omit<RemoteFile, "state">, now: number) => {
    const { account, container, deployment, owner, purpose, remoteId } = output
    const given = output.filename ?? remote.filename ?? `${purpose}.jsonl`
    const filename = output.renamed?.(given) ?? given
    const contentType = ContentType.detect(null, filename, new Uint8Array(0))
    const createdAt = output.createdAt ?? remote.createdAt ?? now
    const expiresAt = output.expiresAt ?? remote.expiresAt
    const replica = new Replica({
      account,
      variant: container === null ? originalVariant : containerVariant,
      state: "ready",
      remoteId,
      container,
      instance: null,
      expiresAt,
      createdAt,
      updatedAt: now,
      error: null
    })
    return new ManagedFile({
      key,
      id: ids.encode({ _tag: "File", uuid: key, contentType, models: [], providerFileId: remoteId, deployment }),
      state: "ready",
      owner,
      filename,
      bytes: output.bytes ?? remote.bytes ?? 0,
      sha256: "",
      declaredType: null,
      contentType,
      purpose,
      createdAt,
      expiresAt,
      models: [],
      kept: false,
      replicas: [replica],
      lostUploads: [],
      instance: null,
      idempotency: null,
      dueAt: expiresAt,
      attempts: 0
    })
  }

  /** The content as the provider gives it out. */
  const open = Effect.fnUntraced(function* (file: ManagedFile, replica: Replica) {
    const target = yield* targetOf(replica.account, file.id ?? "")
    const { containerFiles, files } = target.provider
    const remoteId = replica.remoteId ?? ""
    const call =
      replica.container === null ? files?.content?.(remoteId) : containerFiles?.content(replica.container, remoteId)
    if (call === undefined) return yield* gone(file.id ?? "", "The account does not give such files out.")
    return (yield* upstream.send(target, call)).body
  })

  /** Of the same content that somebody has stored first, who may have died before the row said so. */
  const measureStored = Effect.fnUntraced(function* (key: string) {
    return yield* MeasuredBytes.read(key, MeasuredBytes.of(yield* blobs.open(key), sha256))
  })

  /** Puts the content into our own store, and tells what the row is to say of it. */
  const fetch = Effect.fnUntraced(function* (file: ManagedFile) {
    const now = yield* Clock.currentTimeMillis
    const replica = file.replicas.find((candidate) => isWhole(candidate) && isLive(candidate, now))
    if (replica === undefined) return yield* gone(file.id ?? "", "No provider copy of the file is left.")
    const source = yield* open(file, replica)
    const measured = MeasuredBytes.of(source, sha256)
    const stored = yield* blobs.put(file.key, measured.content).pipe(
      Effect.map(measured.measure),
      Effect.catchIf(isConflict, () => measureStored(file.key))
    )
    return { ...stored, kept: true }
  }, Effect.scoped)

  const pull: OutputFiles["Service"]["pull"] = Effect.fn("OutputFiles.pull")(function* (file) {
    if (file.kept) return file
    const fetched = yield* fetch(file)
    const row = yield* registry.modifyFile(file.key, (current) =>
      current.state === "ready" && !current.kept ? update(current, fetched) : undefined
    )
    if (row?.state === "ready") return row
    // It was deleted meanwhile, perhaps before there was any content to remove.
    yield* blobs.remove(file.key)
    return yield* gone(file.id ?? "", "The file was deleted meanwhile.")
  })

  /** The row to insert. A provider that only gives out the content has said enough, if the name is known. */
  const begun = Effect.fnUntraced(function* (output: Output, key: string) {
    const now = yield* Clock.currentTimeMillis
    const { filename, remoteId } = output
    return yield* describe(output).pipe(
      Effect.map((remote) => ({
        row: rowOf(output, key, remote, now),
        isMeasured: (output.bytes ?? remote.bytes) !== null
      })),
      Effect.catchTag("ProviderError", (error) => {
        if (filename === undefined) return Effect.fail(error)
        const row = rowOf(output, key, { id: remoteId, filename, bytes: null, createdAt: null, expiresAt: null }, now)
        return Effect.map(fetch(row), (fetched) => ({ row: update(row, fetched), isMeasured: true }))
      })
    )
  })

  return OutputFiles.of({
    pull,
    find: registry.fileOfRemote,
    register: Effect.fn("OutputFiles.register")(function* (output) {
      const key = keyOf(output)
      const known = (yield* registry.file(key)) ?? (yield* registry.fileOfRemote(output.account, output.remoteId))
      if (known !== undefined) return isUnmeasured(known) ? yield* pull(known) : known
      const { isMeasured, row } = yield* begun(output, key)
      const inserted = yield* Effect.result(registry.insertFile(row))
      if (Result.isFailure(inserted)) {
        if (!isConflict(inserted.failure)) return yield* inserted.failure
        const winner = (yield* registry.freshFile(key))?.value
        return winner ?? (yield* inserted.failure)
      }
      // Without a size nobody could be told how long the content is.
      return isMeasured ? row : yield* pull(row)
    })
  })
})

/** Whether nobody could say yet how long the content is. */
const isUnmeasured = ({ bytes, kept, state }: ManagedFile): boolean => state === "ready" && !kept && bytes === 0

/** Whether the copy has the file's own bytes. */
const isWhole = ({ variant }: Replica): boolean => variant === originalVariant || variant === containerVariant

/** Whether a file's content can be had from a provider, though we do not keep it. */
export const canPull = (file: ManagedFile, now: number): boolean =>
  file.replicas.some((replica) => isWhole(replica) && isLive(replica, now))

export const layer: Layer.Layer<OutputFiles, never, BlobStore | Catalog | Registry | Sha256 | UnifiedIds | Upstream> =
  Layer.effect(OutputFiles, make)
