/**
 * What becomes of uploads that nobody completes: they expire, their parts are removed, completions and parts that a
 * crash left half done are finished or undone, and in the end the rows are forgotten.
 *
 * The work to do stands in the rows, by the time at which it is due, so any instance can do it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Registry } from "./Registry.ts"
import { instant } from "./RegistryIndexes.ts"
import { Settings } from "./Settings.ts"
import type { StorageError } from "./StorageError.ts"
import { UploadCompletion } from "./UploadCompletion.ts"
import { UploadParts } from "./UploadParts.ts"
import { UploadRows } from "./UploadRows.ts"
import * as UploadSession from "./UploadSession.ts"

export class UploadExpiry extends Context.Service<
  UploadExpiry,
  {
    /** One round over all that is due now. */
    readonly round: Effect.Effect<void, StorageError>
  }
>()("@omnifile/core/UploadExpiry") {}

/** Rows of each kind taken in one round; the rest is due in the next. */
const batch = 500
const concurrency = 8

/** How long parts that could not be removed are left, in milliseconds. */
const patience = 15_000

const make = Effect.gen(function* () {
  const completion = yield* UploadCompletion
  const parts = yield* UploadParts
  const registry = yield* Registry
  const rows = yield* UploadRows
  const { maintenanceInterval, tombstoneTtl } = yield* Settings

  /** Without its parts the row is remembered for a while, so that the same request gets the same answer. */
  const clear = Effect.fnUntraced(function* ({ expiresAt, key }: UploadSession.UploadSession) {
    const isEmpty = yield* parts.removeAll(key)
    const now = yield* Clock.currentTimeMillis
    const forgottenAt = expiresAt + tombstoneTtl
    yield* rows.modify(key, (row) => {
      if (!UploadSession.hasEnded(row)) return undefined
      if (!isEmpty) return UploadSession.rest(row, now + patience)
      return forgottenAt <= now ? null : UploadSession.rest(row, forgottenAt)
    })
  })

  const tend = Effect.fnUntraced(function* (session: UploadSession.UploadSession, now: number) {
    switch (session.state) {
      case "pending": {
        const expired = yield* rows.modify(session.key, (row) => UploadSession.expire(row, now))
        return expired?.state === "expired" ? yield* clear(expired) : undefined
      }
      case "completing":
        return yield* completion.tend(session)
      case "completed":
      case "cancelled":
      case "expired":
        return yield* clear(session)
    }
  })

  const attend = <A>(work: Effect.Effect<A, StorageError>) =>
    Effect.catchCause(work, (cause) => Effect.logWarning("An upload will be looked after later", cause))

  const round = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const due = { index: "due", partitions: ["all"], order: "asc", until: instant(now), limit: batch } as const
    const sessions = yield* registry.uploads.scanUnderstood(due)
    yield* Effect.forEach(sessions, ({ value }) => attend(tend(value, now)), { concurrency, discard: true })
    const left = yield* parts.due(now, batch)
    yield* Effect.forEach(left, (part) => attend(parts.tend(part)), { concurrency, discard: true })
  })

  yield* Effect.forever(
    round.pipe(
      Effect.catchCause((cause) => Effect.logWarning("A round of looking after uploads failed", cause)),
      Effect.andThen(Effect.sleep(Duration.millis(maintenanceInterval)))
    )
  ).pipe(Effect.forkScoped)

  return UploadExpiry.of({ round })
})

export const layer: Layer.Layer<UploadExpiry, never, Registry | UploadCompletion | UploadParts | UploadRows> =
  Layer.effect(UploadExpiry, make)
