/**
 * What there is, as metrics: the copies of all files by their state, and the background work that waits. Copies are
 * counted page by page, without haste and only while somebody asks, so that no look at the metrics reads everything.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import { everything } from "./Access.ts"
import * as FilePages from "./FilePages.ts"
import { replicaStates } from "./ManagedFile.ts"
import { Registry } from "./Registry.ts"
import { instant } from "./RegistryIndexes.ts"
import type { StorageError } from "./StorageError.ts"

/** Between two pages, and, where there are several, between the end of a count and the beginning of the next. */
const pagePause = Duration.millis(250)
const countPause = 30_000

/** How long somebody who asks waits for a count that has begun: most installations are counted by then. */
const patience = Duration.millis(500)

/** More work than this is told as this much. */
const mostDue = 1_000

const queues = ["files", "jobs", "uploads", "webhooks"] as const

const replicas = (state: string) =>
  Metric.gauge("omnifile_replicas", {
    description: "Copies at providers of the files that there are, at the last count",
    attributes: { state }
  })

const depth = (queue: string) =>
  Metric.gauge("omnifile_queue_depth", {
    description: `Rows whose background work is due, at most ${mostDue}`,
    attributes: { queue }
  })

/** Makes what brings the metrics up to date. */
export const make: Effect.Effect<Effect.Effect<void, StorageError>, never, Registry | Scope.Scope> = Effect.gen(
  function* () {
    const registry = yield* Registry
    const scope = yield* Effect.scope
    const byState = new Map(replicaStates.map((state) => [state, replicas(state)]))
    const byQueue = new Map(queues.map((queue) => [queue, depth(queue)]))
    let counting: Fiber.Fiber<void> | undefined
    let nextCount = 0

    const countAll = Effect.gen(function* () {
      const counts = new Map<string, number>()
      let isLong = false
      yield* FilePages.forEach(registry, { scopes: [everything] }, (page, isLast) => {
        for (const file of page) {
          for (const { state } of file.replicas) counts.set(state, (counts.get(state) ?? 0) + 1)
        }
        if (isLast) return Effect.void
        isLong = true
        return Effect.sleep(pagePause)
      })
      for (const [state, gauge] of byState) yield* Metric.update(gauge, counts.get(state) ?? 0)
      nextCount = (yield* Clock.currentTimeMillis) + (isLong ? countPause : 0)
    }).pipe(
      Effect.catch((error) => Effect.logWarning("Copies could not be counted", error)),
      Effect.ensuring(Effect.sync(() => (counting = undefined)))
    )

    const count = Effect.gen(function* () {
      if (counting === undefined) {
        if ((yield* Clock.currentTimeMillis) < nextCount) return
        counting = yield* Effect.forkIn(countAll, scope)
      }
      yield* Effect.timeoutOption(Fiber.await(counting), patience)
    })

    const due = Effect.fnUntraced(function* () {
      const now = yield* Clock.currentTimeMillis
      const query = { index: "due", partitions: ["all"], order: "asc", until: instant(now), limit: mostDue } as const
      const { jobs, outbox, uploads } = registry
      return yield* Effect.all({
        files: registry.dueFiles(now, mostDue),
        jobs: jobs.scanUnderstood(query),
        uploads: uploads.scanUnderstood(query),
        webhooks: outbox.scanUnderstood(query)
      })
    })

    return Effect.gen(function* () {
      yield* count
      const found = yield* due()
      for (const [queue, gauge] of byQueue) yield* Metric.update(gauge, found[queue].length)
    })
  }
)
