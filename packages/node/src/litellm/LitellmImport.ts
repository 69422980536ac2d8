/**
 * Files, batches and fine-tuning jobs of LiteLLM, taken over under the IDs that they have. LiteLLM's database is only
 * read. A row that is there already is left as it is, so that a second run changes nothing.
 */
import { BlobStore } from "@omnifile/core/BlobStore"
import type { Deployment } from "@omnifile/core/Account"
import * as LitellmId from "@omnifile/core/LitellmId"
import { type ManagedFile, update } from "@omnifile/core/ManagedFile"
import { Registry } from "@omnifile/core/Registry"
import { remotePartition } from "@omnifile/core/RegistryIndexes"
import { Sha256 } from "@omnifile/core/Sha256"
import { isConflict, type StorageError } from "@omnifile/core/StorageError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { FileRow, LitellmDatabase, LitellmDatabaseError, ObjectRow } from "./LitellmDatabase.ts"
import * as LitellmModels from "./LitellmModels.ts"
import * as LitellmRows from "./LitellmRows.ts"

export interface Count {
  /** Rows that were written, or in a dry run would be. */
  imported: number
  /** Rows that were there already. */
  present: number
  skipped: number
}

/** Rows that stay where they are, for one reason. */
export interface Left {
  readonly what: "file" | "job"
  readonly reason: string
  count: number
  /** LiteLLM's own IDs of some of the rows. */
  readonly examples: Array<string>
}

export interface Report {
  readonly dryRun: boolean
  readonly files: Count
  readonly jobs: Count
  readonly left: ReadonlyArray<Left>
  /** Every deployment of LiteLLM that was met, its account here, and how many copies and jobs are on it. */
  readonly deployments: ReadonlyArray<{
    readonly id: string
    readonly account: string | null
    readonly uses: number
    /** The model names of the files that are on it. */
    readonly models: ReadonlyArray<string>
  }>
}

export interface Options {
  readonly database: LitellmDatabase
  readonly known: LitellmModels.Known
  readonly dryRun: boolean
}

const concurrency = 16
const mostExamples = 5

interface Met {
  account: string | null
  uses: number
  readonly models: Set<string>
}

export const run = Effect.fn("LitellmImport.run")(function* ({
  database,
  dryRun,
  known
}: Options): Effect.fn.Return<Report, LitellmDatabaseError | StorageError, BlobStore | Registry | Sha256> {
  const blobs = yield* BlobStore
  const registry = yield* Registry
  const sha256 = yield* Sha256
  const keyOf = (id: string): string => LitellmId.rowKey(sha256, id)

  const files: Count = { imported: 0, present: 0, skipped: 0 }
  const jobs: Count = { imported: 0, present: 0, skipped: 0 }
  const left = new Map<string, Left>()
  const met = new Map<string, Met>()

  const leave = (what: Left["what"], id: string, reason: string): void => {
    const key = `${what} ${reason}`
    const entry = left.get(key) ?? { what, reason, count: 0, examples: [] }
    entry.count++
    if (entry.examples.length < mostExamples) entry.examples.push(id)
    left.set(key, entry)
    if (what === "file") files.skipped++
    else jobs.skipped++
  }

  const meet = (deployment: string, account: string | undefined, models: ReadonlyArray<string>): void => {
    const entry = met.get(deployment) ?? { account: account ?? null, uses: 0, models: new Set() }
    entry.uses++
    entry.account ??= account ?? null
    for (const name of models) entry.models.add(name)
    met.set(deployment, entry)
  }

  const accountOf: LitellmRows.AccountOf = (deployment, models) => {
    const account = LitellmModels.accountOfDeployment(known, deployment, models)
    meet(deployment, account, models)
    return account
  }

  /** Counts a row as new, or as one that is there. */
  const insert = (count: Count, write: Effect.Effect<void, StorageError>) =>
    write.pipe(
      Effect.andThen(Effect.sync(() => void count.imported++)),
      Effect.catchIf(isConflict, () => Effect.sync(() => void count.present++))
    )

  /** The row with the content in our own store; undefined if LiteLLM has none. */
  const withContent = Effect.fnUntraced(function* (file: ManagedFile, content: string) {
    const bytes = yield* database.content(content)
    if (bytes === undefined) return undefined
    const hasher = sha256.hasher()
    hasher.update(bytes)
    const whole = update(file, { bytes: bytes.byteLength, sha256: hasher.digest(), kept: true })
    if (dryRun) return whole
    const source = (async function* () {
      yield bytes
    })()
    // Left by a run that was cut off before the row was there.
    yield* blobs.put(file.key, source).pipe(Effect.catchIf(isConflict, () => Effect.void))
    return whole
  })

  const takeFile = Effect.fnUntraced(function* (row: FileRow) {
    const plan = LitellmRows.planFile(row, accountOf, keyOf, yield* Clock.currentTimeMillis)
    if (plan._tag === "Skipped") return leave("file", row.id, plan.reason)
    if ((yield* registry.file(plan.file.key)) !== undefined) return void files.present++
    const file = plan.content === null ? plan.file : yield* withContent(plan.file, plan.content)
    if (file === undefined) return leave("file", row.id, "LiteLLM's database has no content for it")
    if (dryRun) return void files.imported++
    yield* insert(files, registry.commit([registry.fileChange(0, file)]))
  })

  /** The files that a job names, as far as they are here. */
  const filesOf = Effect.fnUntraced(function* (account: string, object: unknown) {
    const found = new Map<string, ManagedFile>()
    for (const id of LitellmRows.filesOf(object)) {
      const isUnified = Option.isSome(LitellmId.recognise(id))
      const file = yield* isUnified ? registry.file(keyOf(id)) : registry.fileOfRemote(account, id)
      if (file !== undefined) found.set(id, file)
    }
    return found
  })

  /** The deployment of ours that stands for one of LiteLLM. */
  const servedBy = (account: string, models: ReadonlyArray<string>): Deployment | undefined => {
    const there = known.deployments.filter((deployment) => deployment.account === account)
    return there.find(({ modelName }) => models.includes(modelName)) ?? there[0]
  }

  const takeJob = Effect.fnUntraced(function* (row: ObjectRow) {
    const place = LitellmRows.placeOf(row)
    if ("reason" in place) return leave("job", row.id, place.reason)
    const { deployment } = place
    if (deployment === null) return leave("job", row.id, "its ID names no deployment")
    const earlier = met.get(deployment)
    const models = [...(earlier?.models ?? [])]
    const account = accountOf(deployment, models) ?? earlier?.account ?? undefined
    if (account === undefined) return leave("job", row.id, "its deployment is on no account of ours")
    const named = yield* filesOf(account, row.object)
    const ours = servedBy(account, [...[...named.values()].flatMap((file) => file.models), ...models])
    const at = { account, deployment: ours?.id ?? deployment, modelName: ours?.modelName ?? models[0] ?? deployment }
    const now = yield* Clock.currentTimeMillis
    const { job } = LitellmRows.planJob(row, place, at, (_, id) => named.get(id), keyOf, now)
    if ((yield* registry.jobs.read(job.key)) !== undefined) return void jobs.present++
    if ((yield* ownerOfRemote(account, place.identity.providerId)) !== undefined) {
      return leave("job", row.id, "the provider's job has another row here already")
    }
    if (dryRun) return void jobs.imported++
    yield* insert(jobs, registry.commit([registry.jobs.change(0, job)]))
  })

  const ownerOfRemote = (account: string, remoteId: string) =>
    Effect.map(
      registry.jobs.scan({
        index: "remote",
        partitions: [remotePartition(account, remoteId)],
        order: "asc",
        limit: 1
      }),
      ([found]) => found
    )

  const each = <Row extends { readonly id: string }, E, R>(
    page: (after: string) => Effect.Effect<ReadonlyArray<Row>, LitellmDatabaseError>,
    take: (row: Row) => Effect.Effect<void, E, R>
  ) =>
    Effect.gen(function* () {
      let after = ""
      for (;;) {
        const rows = yield* page(after)
        yield* Effect.forEach(rows, take, { concurrency, discard: true })
        const last = rows.at(-1)
        if (last === undefined) return
        after = last.id
      }
    })

  // Jobs name files, and deployments are better known once the files have been seen.
  yield* each(database.files, takeFile)
  yield* each(database.objects, takeJob)
  return {
    dryRun,
    files,
    jobs,
    left: [...left.values()],
    deployments: [...met].map(([id, { account, models, uses }]) => ({ id, account, uses, models: [...models] }))
  }
})

const counted = ({ imported, present, skipped }: Count, dryRun: boolean): string =>
  `${imported} ${dryRun ? "would be imported" : "imported"}, ${present} there already, ${skipped} left out`

/** What happened, for people. */
export const toText = ({ deployments, dryRun, files, jobs, left }: Report): string => {
  const lines = [`files: ${counted(files, dryRun)}`, `jobs: ${counted(jobs, dryRun)}`]
  for (const { count, examples, reason, what } of left) {
    lines.push(
      `${count} ${what}${count === 1 ? "" : "s"} left out, because ${reason}: ${examples.join(", ")}${count > examples.length ? ", ..." : ""}`
    )
  }
  for (const { account, id, models, uses } of deployments) {
    const of = models.length === 0 ? "" : ` of ${models.join(", ")}`
    lines.push(
      account === null
        ? `deployment ${id}${of} is on no account here (${uses} uses): name it by --map ${id}=ACCOUNT`
        : `deployment ${id}${of} is on account ${account} (${uses} uses)`
    )
  }
  return `${lines.join("\n")}\n`
}
