/**
 * Provider copies on demand: made in an account where a call needs the file and there is none, once, however
 * many calls ask and on however many instances.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { AccountFailure } from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import * as CopyMetrics from "./CopyMetrics.ts"
import { type CopySource, describe } from "./CopySource.ts"
import { CopyUpload } from "./CopyUpload.ts"
import { Instance, uploadOf } from "./Instance.ts"
import {
  abandonedUpload,
  findReplica,
  isLive,
  isUsable,
  lastUse,
  type Lead,
  type ManagedFile,
  originalVariant,
  outlived,
  Replica,
  update,
  withLostUploads,
  withReplica
} from "./ManagedFile.ts"
import { canPull, OutputFiles } from "./OutputFiles.ts"
import { Registry } from "./Registry.ts"
import { callLead, Settings } from "./Settings.ts"
import * as Span from "./Span.ts"
import type { StorageError } from "./StorageError.ts"

export class Replication extends Context.Service<
  Replication,
  {
    /**
     * The file's live copy in the account, or that of a variant, made now if there is none. Callers at the same
     * moment share one upload, which goes on when they leave. A file that a provider has made is taken from there
     * into our own store first. One that is near its end, as `lead` says (default: as for a call), is replaced; it still
     * serves if that fails.
     */
    readonly ensure: (
      file: ManagedFile,
      account: string,
      source?: CopySource,
      lead?: Lead
    ) => Effect.Effect<Replica, AccountFailure | StorageError>
    /** The copy that a call can use as it is. One near its end is good enough where no other can be made. */
    readonly usable: (file: ManagedFile, account: string, now: number) => Replica | undefined
    /** Whether `ensure` can make a copy in that account if there is none. */
    readonly canCopy: (file: ManagedFile, account: string) => boolean
  }
>()("@omnifile/core/Replication") {}

/** Between two looks at a copy that another instance is busy with. */
const pollInterval = Duration.millis(250)

const make = Effect.gen(function* () {
  const catalog = yield* Catalog
  const instance = yield* Instance
  const outputFiles = yield* OutputFiles
  const registry = yield* Registry
  const settings = yield* Settings
  const upload = yield* CopyUpload
  const scope = yield* Effect.scope
  const ordinary = callLead(settings)
  const shared = new Map<string, Fiber.Fiber<Replica, AccountFailure | StorageError>>()

  /** Takes the copy upon us if nobody alive has it in hand; leaves the row while somebody has. */
  const claim = Effect.fnUntraced(function* (key: string, account: string, source: CopySource | undefined, lead: Lead) {
    const variant = source?.variant ?? originalVariant
    const now = yield* Clock.currentTimeMillis
    const seen = yield* registry.file(key)
    const busy = seen === undefined ? undefined : findReplica(seen, account, variant)
    const holder = busy?.state === "pending" ? busy.instance : null
    const flight = uploadOf(key, account, variant)
    const held = holder !== null && holder !== instance.id && (yield* instance.mayBeAt(holder, flight))
    let renewed: CopyMetrics.Why | null = null
    const row = yield* registry.modifyFile(key, (current) => {
      renewed = null
      const replica = findReplica(current, account, variant)
      if (current.state !== "ready" || replica?.state === "processing") return undefined
      if (!current.kept || (replica !== undefined && isUsable(replica, now, lead))) return undefined
      if (held || (replica?.state === "pending" && replica.instance !== holder)) return undefined
      // Nobody is at that upload any more, and what it may have left is not known.
      const abandoned = replica?.state === "pending" ? [abandonedUpload(replica, now)] : []
      const dueAt = now + settings.instanceTtl
      const intent = upload.intent(account, now, source)
      // Until the new one is there it stays known why there is none: it is a repair, and not a first copy.
      const why = replica?.state === "ready" ? "has expired at the provider" : (replica?.error ?? null)
      const left = replica !== undefined && isLive(replica, now) ? [outlived(replica)] : []
      if (replica?.state === "ready") renewed = left.length > 0 ? "expiring" : "expired"
      const usedAt = replica?.state === "ready" || replica?.state === "expired" ? lastUse(replica) : null
      const claimed = update(withReplica(current, new Replica({ ...intent, usedAt, error: why })), {
        lostUploads: [...current.lostUploads, ...left],
        dueAt: current.dueAt === null ? dueAt : Math.min(current.dueAt, dueAt)
      })
      return withLostUploads(claimed, abandoned, now)
    })
    if (renewed !== null) {
      yield* CopyMetrics.countRenewal(account, renewed)
      yield* Span.annotate("omnifile.copy.renewed", renewed)
    }
    return row
  })

  const impossible = (account: string, message: string) =>
    Effect.fail(new AccountFailure({ account, message, timedOut: false }))

  const copy = Effect.fn("Replication.copy")(function* (
    key: string,
    account: string,
    source: CopySource | undefined,
    lead: Lead
  ) {
    const variant = source?.variant ?? originalVariant
    // From before the intent is written: what nobody has in hand counts as abandoned.
    yield* instance.hold(uploadOf(key, account, variant))
    for (;;) {
      const row = yield* claim(key, account, source, lead)
      const now = yield* Clock.currentTimeMillis
      const replica = row === undefined ? undefined : findReplica(row, account, variant)
      if (row === undefined || row.state !== "ready") {
        return yield* impossible(account, "the file was deleted meanwhile")
      }
      if (replica !== undefined && isUsable(replica, now, lead)) return replica
      if (replica?.state === "pending" && replica.instance === instance.id)
        return yield* upload.run(row, account, source)
      if (replica?.state === "processing") return yield* upload.resume(row, replica)
      if (row.kept) {
        yield* Effect.sleep(pollInterval)
        continue
      }
      if (!settings.keepContent || !canPull(row, now)) {
        return yield* impossible(account, "has no copy of the file, whose content is not kept here")
      }
      yield* outputFiles
        .pull(row)
        .pipe(
          Effect.catchTag(["ContentUnavailable", "ProviderError"], (error) =>
            Effect.andThen(
              Effect.logInfo("The content of a file could not be had from its provider", error),
              impossible(account, "has no copy of the file, whose content cannot be had from where it was made")
            )
          )
        )
    }
  }, Effect.scoped)

  const canCopy = (file: ManagedFile, account: string): boolean => {
    const target = catalog.accounts.get(account)
    // Whether the provider still gives its content out is seen when it is asked.
    if (target === undefined || !(file.kept || (settings.keepContent && canPull(file, 0)))) return false
    const { files } = target.provider
    if (files === null || !files.takes(describe(file))) return false
    if (files.maxBytes !== null && file.bytes > files.maxBytes) return false
    return (
      settings.replicate === "any" ||
      file.models.length === 0 ||
      file.models.some((model) => catalog.accountsOf(model).includes(account))
    )
  }

  /** The one upload that all who ask at this moment share. */
  const flight = Effect.fnUntraced(function* (
    key: string,
    account: string,
    source: CopySource | undefined,
    lead: Lead
  ) {
    const name = uploadOf(key, account, source?.variant ?? originalVariant)
    const running = shared.get(name)
    if (running !== undefined) return yield* Fiber.join(running)
    const started = yield* copy(key, account, source, lead).pipe(
      Effect.ensuring(Effect.sync(() => shared.delete(name))),
      Effect.forkIn(scope)
    )
    // A fiber that ended at once has been taken from the map before it got there.
    if (started.pollUnsafe() === undefined) shared.set(name, started)
    return yield* Fiber.join(started)
  })

  return Replication.of({
    canCopy,
    usable: (file, account, now) => {
      const replica = findReplica(file, account)
      if (replica === undefined || !isLive(replica, now)) return undefined
      return isUsable(replica, now, ordinary) || !canCopy(file, account) ? replica : undefined
    },
    ensure: Effect.fnUntraced(function* (file, account, source, lead = ordinary) {
      const now = yield* Clock.currentTimeMillis
      const replica = findReplica(file, account, source?.variant ?? originalVariant)
      if (replica !== undefined && isUsable(replica, now, lead)) return replica
      const made = yield* flight(file.key, account, source, lead).pipe(
        Effect.catch((failure) =>
          replica !== undefined && isLive(replica, now) ? Effect.succeed(replica) : Effect.fail(failure)
        )
      )
      // What others asked for at the same moment may be good enough for them only.
      return lead === ordinary || isUsable(made, now, lead) || made === replica
        ? made
        : yield* flight(file.key, account, source, lead)
    })
  })
})

export const layer: Layer.Layer<Replication, never, Catalog | CopyUpload | Instance | OutputFiles | Registry> =
  Layer.effect(Replication, make)
