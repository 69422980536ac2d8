/** Commits of the Registry: the cache is told, and the events of what has changed are recorded with it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Event from "./Event.ts"
import type { FileCache } from "./FileCache.ts"
import type { RecordStore } from "./Records.ts"
import type { Change, RegistryBackend } from "./RegistryBackend.ts"
import { Settings } from "./Settings.ts"
import * as Uuid from "./Uuid.ts"

/** Events that a slow follower may fall behind. */
const followed = 16_384

export const make = Effect.fnUntraced(function* (
  backend: RegistryBackend["Service"],
  cache: FileCache,
  outbox: RecordStore<Event.OutboxRecord>
) {
  const { events } = yield* Settings
  // Made for the first who follows: its room is taken all at once.
  let following: PubSub.PubSub<Event.Event> | undefined
  const committed = yield* Effect.cached(
    Effect.tap(PubSub.sliding<Event.Event>(followed), (made) =>
      Effect.sync(() => {
        following = made
      })
    )
  )

  /**
   * The cache must not show the old row after the commit, whatever becomes of the commit. An interruption waits
   * for it: one that is still under way would change the row after the cache was told.
   */
  const commitRaw = (changes: ReadonlyArray<Change>) =>
    Effect.uninterruptible(
      Effect.ensuring(
        backend.commit(changes),
        Effect.sync(() => {
          for (const { collection, key } of changes) if (collection === "files") cache.drop(key)
        })
      )
    )

  const identified = Effect.fnUntraced(function* (draft: Event.Draft) {
    return new Event.Event({ ...draft, id: `evt_${yield* Uuid.make}`, createdAt: yield* Clock.currentTimeMillis })
  })

  const toOutbox = (event: Event.Event): Change => {
    const { createdAt, id } = event
    const record = new Event.OutboxRecord({ key: id, event, instance: null, attempts: 0, dueAt: createdAt })
    return outbox.change(0, record)
  }

  /** What is told stands in the same commit as what has happened. */
  const commitWithEvents = Effect.fnUntraced(function* (
    changes: ReadonlyArray<Change>,
    drafts: ReadonlyArray<Event.Draft>
  ) {
    const told = yield* Effect.forEach(drafts, identified)
    yield* commitRaw(events.outbox ? [...changes, ...told.map(toOutbox)] : changes)
    if (following !== undefined) yield* PubSub.publishAll(following, told)
  })

  const commit = (changes: ReadonlyArray<Change>, drafts: ReadonlyArray<Event.Draft> = []) =>
    drafts.length === 0 ? commitRaw(changes) : Effect.uninterruptible(commitWithEvents(changes, drafts))

  return { commit, committed }
})
