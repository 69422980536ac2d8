/**
 * Jobs whose create was begun and whose answer nobody has read: the provider may be at them. Each is looked for in its
 * account's list, by our key among its metadata, or, where a provider keeps none, by the very files that it reads.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type { ContentUnavailable } from "./CallError.ts"
import { type Job, update } from "./Job.ts"
import { Jobs } from "./Jobs.ts"
import { JobSync, metadataKey } from "./JobSync.ts"
import { withTag } from "./JobTag.ts"
import { parseObject } from "./Json.ts"
import type { Decoded, ProviderCall, RemoteJob, RemoteJobPage } from "./Provider.ts"
import { ProviderError } from "./ProviderError.ts"
import { backoff } from "./Removal.ts"
import type { StorageError } from "./StorageError.ts"
import { UnifiedIds } from "./UnifiedId.ts"
import { type ProviderAccount, Upstream } from "./Upstream.ts"

export type Settlement =
  /** It was taken, and is a job like any other from now on. */
  | { readonly _tag: "Found"; readonly job: Job }
  /** It was never taken: the row is gone. */
  | { readonly _tag: "Removed" }
  /** It is too early to tell, or the provider does not say: the row is due again. */
  | { readonly _tag: "Open" }

export class LostJobs extends Context.Service<
  LostJobs,
  {
    /**
     * Deals with a row that is `creating` and that nobody has in hand. Its `object` is what the client asked for,
     * as far as it is known; `updatedAt` is when the provider was asked.
     */
    readonly settle: (job: Job) => Effect.Effect<Settlement, ContentUnavailable | StorageError>
  }
>()("@omnifile/core/LostJobs") {}

/** How far a provider's clock may be off, and the rounding of its times to seconds; milliseconds. */
const clockTolerance = 30_000

/** A provider may be slow to take a job, and to list it; only then is an empty list an answer. Milliseconds. */
const listingDelay = 60_000

/** Until the next look at a list that is too young to be an answer, in milliseconds. */
const nextLook = 5_000

/** Pages that are looked through before giving up. */
const pageLimit = 100

interface Listing {
  readonly list: (cursor: string | null) => ProviderCall
  readonly decodePage: (body: unknown) => Decoded<RemoteJobPage>
}

/** How the account lists jobs of this kind. */
const listingOf = ({ kind }: Job, { provider }: ProviderAccount): Listing | null => {
  switch (kind) {
    case "batch":
      return provider.batches
    case "fine_tuning_job":
      return provider.fineTuning
    case "response":
    case "container":
      return null
  }
}

const tags = { batch: "Batch", fine_tuning_job: "FineTuningJob", response: "Response" } as const

const readsTheSame = (job: Job, { inputs }: RemoteJob): boolean => {
  const given = job.reads.flatMap(({ remoteId }) => remoteId ?? [])
  const named = inputs.map(({ remoteId }) => remoteId)
  return given.length > 0 && given.length === named.length && given.every((id) => named.includes(id))
}

/** A provider may keep no metadata; those that it keeps must be what was sent. */
const saysTheSame = (job: Job, { metadata }: RemoteJob): boolean => {
  const sent = withTag(parseObject(job.object)?.["metadata"], job.key)
  const kept = Object.entries(metadata)
  return (
    kept.length === 0 ||
    (kept.length === Object.keys(sent).length && kept.every(([name, value]) => sent[name] === value))
  )
}

const make = Effect.gen(function* () {
  const ids = yield* UnifiedIds
  const jobs = yield* Jobs
  const sync = yield* JobSync
  const upstream = yield* Upstream

  /** By our key; or, where the provider has none, by the files and the client's metadata, if it is nobody's. */
  const isOurs = Effect.fnUntraced(function* (job: Job, remote: RemoteJob) {
    const tag = remote.metadata[metadataKey]
    if (tag !== undefined) return tag === job.key
    return (
      readsTheSame(job, remote) &&
      saysTheSame(job, remote) &&
      (yield* jobs.ofRemote(job.account, remote.id)) === undefined
    )
  })

  /** Newest first, back to where the job cannot be any more. */
  const search = Effect.fnUntraced(function* (job: Job, target: ProviderAccount, { decodePage, list }: Listing) {
    const earliest = job.createdAt - clockTolerance
    let cursor: string | null = null
    for (let pages = 0; pages < pageLimit; pages++) {
      const page: RemoteJobPage = yield* upstream.request(target, Effect.succeed(list(cursor)), decodePage)
      for (const remote of page.jobs) {
        if (remote.createdAt !== null && remote.createdAt < earliest) return undefined
        if (yield* isOurs(job, remote)) return remote
      }
      if (page.next === null) return undefined
      cursor = page.next
    }
    return undefined
  })

  const putOff = Effect.fnUntraced(function* (key: string, pause: (attempts: number) => number, attempts: number) {
    const now = yield* Clock.currentTimeMillis
    yield* jobs.modify(key, (current) =>
      current.state === "creating"
        ? update(current, { instance: null, claimedUntil: null, dueAt: now + pause(attempts), attempts })
        : undefined
    )
    return { _tag: "Open" } as const
  })

  const adopt = Effect.fnUntraced(function* (job: Job, { id: providerId, ...remote }: RemoteJob) {
    if (job.kind === "container") return yield* Effect.die(new TypeError("A container is no job of a list"))
    yield* Effect.logInfo("A job whose create was never answered has been found").pipe(
      Effect.annotateLogs({ account: job.account, job: job.key })
    )
    const id = ids.encode({ _tag: tags[job.kind], uuid: job.key, deployment: job.deployment, providerId })
    return { _tag: "Found", job: yield* sync.apply(update(job, { id, remoteId: providerId }), remote) } as const
  })

  const remove = Effect.fnUntraced(function* (job: Job) {
    yield* Effect.logInfo("A job that its provider never took is undone").pipe(
      Effect.annotateLogs({ account: job.account, job: job.key })
    )
    yield* jobs.modify(job.key, (current) => (current.state === "creating" ? null : undefined))
    return { _tag: "Removed" } as const
  })

  return LostJobs.of({
    settle: Effect.fn("LostJobs.settle")(function* (job) {
      const target = yield* jobs.target(job)
      const listing = listingOf(job, target)
      if (listing === null) return yield* remove(job)
      const found = yield* Effect.result(
        Effect.flatMap(search(job, target, listing), (remote) =>
          remote === undefined ? Effect.succeed(undefined) : adopt(job, remote)
        )
      )
      if (Result.isFailure(found)) {
        if (!(found.failure instanceof ProviderError)) return yield* Effect.fail(found.failure)
        yield* Effect.logWarning("A job may be lost at its provider, which could not be asked", found.failure)
        return yield* putOff(job.key, backoff, job.attempts + 1)
      }
      if (found.success !== undefined) return found.success
      const now = yield* Clock.currentTimeMillis
      return now < job.updatedAt + listingDelay ? yield* putOff(job.key, () => nextLook, 0) : yield* remove(job)
    })
  })
})

export const layer: Layer.Layer<LostJobs, never, Jobs | JobSync | UnifiedIds | Upstream> = Layer.effect(LostJobs, make)
