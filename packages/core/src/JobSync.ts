/**
 * From what a provider says of a job to our record of it: its output files become files of the job's owner, its IDs
 * ours, and what it has used is written down in the commit that ends it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ContentUnavailable } from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import { markKey } from "./ForeignBatches.ts"
import { type Job, JobOutput, ownerOfOutputs, partFileLife, update } from "./Job.ts"
import { Jobs } from "./Jobs.ts"
import { type Json, isObject, type JsonObject } from "./Json.ts"
import { OutputFiles } from "./OutputFiles.ts"
import type { RemoteJob } from "./Provider.ts"
import * as OutputUsage from "./OutputUsage.ts"
import type { ProviderError } from "./ProviderError.ts"
import { Registry } from "./Registry.ts"
import { Settings } from "./Settings.ts"
import type { StorageError } from "./StorageError.ts"
import type { Upstream } from "./Upstream.ts"
import * as UsageMetrics from "./UsageMetrics.ts"
import * as UsageRecord from "./UsageRecord.ts"

/** What a provider says of a job now. */
export interface Snapshot extends Pick<RemoteJob, "object" | "ended" | "inputs" | "outputs" | "tokens"> {
  /**
   * Files that were made here of what the job has made, and that its object names already. Given at all, they say that
   * there is something to tidy up after the job's end.
   */
  readonly made?: ReadonlyArray<JobOutput> | undefined
}

export class JobSync extends Context.Service<
  JobSync,
  {
    /**
     * Records what a provider says of a job, and answers the row as it then is. Output files that the row does not
     * know are registered, each once; those that it knows never come back. `id`, `remoteId` and `reads` are those of
     * the job as it is given, so that a job that was being created becomes active by this. One that has ended is not
     * changed any more.
     */
    readonly apply: (
      job: Job,
      snapshot: Snapshot
    ) => Effect.Effect<Job, ContentUnavailable | ProviderError | StorageError>
  }
>()("@omnifile/core/JobSync") {}

/** The pair of a job's metadata that tells us which row it belongs to. */
export const metadataKey = markKey

/** The metadata that a client gave, null if it gave none. */
const ownMetadata = (metadata: Json | undefined): Json | undefined => {
  if (!isObject(metadata) || metadata[metadataKey] === undefined) return metadata
  const own = Object.entries(metadata).filter(([name]) => name !== metadataKey)
  return own.length === 0 ? null : Object.fromEntries(own)
}

/** How often a job is asked about for an output that its provider has named and does not have. */
const outputPatience = 6

const listItem = /^(.+)\[(\d+)\]$/

/** The object with a value in a field, or, as in `result_files[0]`, in a place of a list. */
const withField = (object: JsonObject, field: string, value: Json): JsonObject => {
  const [, name, index] = listItem.exec(field) ?? []
  if (name === undefined) return { ...object, [field]: value }
  const list = object[name]
  return Array.isArray(list) ? { ...object, [name]: list.with(Number(index), value) } : object
}

/** The object without the places of a list that no output of ours could fill. */
const withoutGaps = (object: JsonObject, { outputs }: Snapshot): JsonObject => {
  let dense = object
  for (const name of new Set(outputs.flatMap(({ role }) => listItem.exec(role)?.[1] ?? []))) {
    const list = dense[name]
    if (Array.isArray(list)) dense = { ...dense, [name]: list.filter((item) => item !== null) }
  }
  return dense
}

const make = Effect.gen(function* () {
  const catalog = yield* Catalog
  const jobs = yield* Jobs
  const outputFiles = yield* OutputFiles
  const outputUsage = yield* OutputUsage.make
  const registry = yield* Registry
  const settings = yield* Settings
  const measure = yield* UsageMetrics.make

  /**
   * The outputs that the row does not know yet. One that is not there at the provider may come yet; if it does not, it
   * is none.
   */
  const newOutputs = Effect.fnUntraced(function* (job: Job, { ended, outputs }: Snapshot) {
    const isAwaited = ended && job.attempts < outputPatience
    const renamed = (filename: string): string =>
      job.remoteId === null || job.id === null ? filename : filename.replaceAll(job.remoteId, job.id)
    const { account, deployment } = job
    const owner = ownerOfOutputs(job)
    const expiresAt = job.parent === undefined ? undefined : (yield* Clock.currentTimeMillis) + partFileLife
    const unknown = outputs.filter(({ remoteId }) => !job.outputs.some((known) => known.remoteId === remoteId))
    const found = yield* Effect.forEach(
      unknown,
      Effect.fnUntraced(function* ({ purpose, remoteId, role }) {
        const file = yield* outputFiles
          .register({ owner, account, deployment, container: null, remoteId, purpose, renamed, expiresAt })
          .pipe(
            Effect.catchTag("ProviderError", (error) =>
              error.absent && !isAwaited ? Effect.succeed(undefined) : Effect.fail(error)
            )
          )
        return file?.id === undefined || file.id === null
          ? []
          : [new JobOutput({ role, remoteId, file: file.key, id: file.id })]
      }),
      { concurrency: 4 }
    )
    return found.flat()
  })

  /** What the job has used: by the provider's count of it, else by that of each answer in a batch's output. */
  const usageOf = (job: Job, { ended, outputs, tokens }: Snapshot) => {
    const output = outputs.find(({ role }) => role === "output_file_id")
    return tokens !== null || !ended || job.kind !== "batch" || output === undefined || !settings.usage
      ? Effect.succeed(tokens)
      : outputUsage.of(job, output.remoteId)
  }

  /** The provider's object with our IDs and names. */
  const translated = (job: Job, outputs: ReadonlyArray<JobOutput>, snapshot: Snapshot): JsonObject => {
    let object: JsonObject = { ...snapshot.object, id: job.id }
    const deployment = catalog.deploymentsOf(job.modelName).find(({ id }) => id === job.deployment)
    if (deployment !== undefined && object["model"] === deployment.model) object = { ...object, model: job.modelName }
    if (object["metadata"] !== undefined) object = { ...object, metadata: ownMetadata(object["metadata"]) }
    for (const { field, remoteId } of snapshot.inputs) {
      const read = job.reads.find((input) => input.remoteId === remoteId)
      object = withField(object, field, read?.id ?? null)
    }
    for (const { remoteId, role } of snapshot.outputs) {
      const output = outputs.find((known) => known.remoteId === remoteId)
      object = withField(object, role, output?.id ?? null)
    }
    return withoutGaps(object, snapshot)
  }

  const merged = (current: Job, found: ReadonlyArray<JobOutput>): ReadonlyArray<JobOutput> => [
    ...current.outputs,
    ...found.filter(({ remoteId }) => !current.outputs.some((known) => known.remoteId === remoteId))
  ]

  return JobSync.of({
    apply: Effect.fn("JobSync.apply")(function* (job, snapshot) {
      if (job.state === "ended") return job
      const found = [...(yield* newOutputs(job, snapshot)), ...(snapshot.made ?? [])]
      const now = yield* Clock.currentTimeMillis
      const { ended } = snapshot
      // Whoever makes files here tidies up at once; should it die before that, somebody else does.
      const tidyAt = snapshot.made === undefined ? null : now + settings.jobs.claimTtl
      const tokens = yield* usageOf(job, snapshot)
      const { id, reads, remoteId } = job
      const next = (current: Job) => {
        const outputs = merged(current, found)
        const object = JSON.stringify(translated(update(current, { id, reads, remoteId }), outputs, snapshot))
        const isNews = object !== current.object || ended || current.state === "creating" || id !== current.id
        // Nothing to write down, and the next look stands in the row already.
        if (!isNews && outputs.length === current.outputs.length && (current.dueAt ?? 0) > now) {
          if (current.claimedUntil === null) return undefined
        }
        return update(current, {
          id,
          reads,
          remoteId,
          outputs,
          object,
          state: ended ? "ended" : "active",
          usage: tokens ?? current.usage,
          instance: null,
          claimedUntil: null,
          attempts: 0,
          updatedAt: now,
          dueAt: ended ? tidyAt : now + settings.jobs.pollInterval
        })
      }
      let isEnding = false
      const after = yield* jobs.modify(
        job.key,
        (current) => {
          isEnding = ended && current.state !== "ended"
          return current.state === "ended" ? undefined : next(current)
        },
        (row) =>
          row.state === "ended" && row.usage !== null && settings.usage
            ? [registry.usage.change(0, UsageRecord.ofJob(row, row.usage, now))]
            : []
      )
      if (isEnding && settings.usage && after !== undefined && after.usage !== null) {
        const { account, modelName, owner, usage } = after
        const entry = { account, model: modelName, owner, tokens: usage }
        measure(UsageMetrics.identityOf(entry), entry)
      }
      return after ?? next(job) ?? job
    })
  })
})

export const layer: Layer.Layer<JobSync, never, Catalog | Jobs | OutputFiles | Registry | Upstream> = Layer.effect(
  JobSync,
  make
)
