/**
 * What other processes have changed, as they say it themselves: every commit is published on a channel.
 *
 * Messages are only worth something while they arrive. So the connection that hears them also asks the server a
 * question every quarter of a second; once no question of the last second has been answered, and after every
 * interruption, everything counts as changed. A change is known after a second at most, whatever happens to the network.
 */
import type { Change, Invalidation } from "@omnifile/core/RegistryBackend"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import { performance } from "node:perf_hooks"
import { defaultPrefix, open, type Options } from "./RedisClient.ts"

/** How long what has been heard is taken for everything there was to hear, in milliseconds. */
const trust = 1_000

/** More changed keys than this are said to be everything. */
const mostKeys = 10_000

/** A commit of more changes than this is published without naming them. */
const mostNamed = 1_000

const Message = Schema.fromJsonString(
  Schema.Struct({
    origin: Schema.String,
    changed: Schema.NullOr(Schema.Array(Schema.Tuple([Schema.String, Schema.String])))
  })
)
const decodeMessage = Schema.decodeUnknownOption(Message)

export interface Invalidations {
  readonly channel: string
  /** What this process publishes with a commit. */
  readonly messageOf: (changes: ReadonlyArray<Change>) => string
  readonly drain: () => Invalidation
}

const everything: Invalidation = { _tag: "Everything" }
const nothing: Invalidation = { _tag: "Nothing" }

export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Invalidations, unknown, Scope.Scope> {
  const prefix = options.prefix ?? defaultPrefix
  const channel = `${prefix}changes`
  const origin = randomUUID()
  const client = yield* open(options, "wait")

  let isHearing = false
  let heardAt = 0
  let isAllChanged = true
  let keys: Array<{ readonly collection: string; readonly key: string }> = []
  const changeAll = (): void => {
    isAllChanged = true
    keys = []
  }

  client.onLost(() => {
    isHearing = false
    changeAll()
  })
  yield* client.subscribe(channel, (text) => {
    const message = decodeMessage(text)
    if (message._tag === "None" || message.value.changed === null) {
      if (message._tag === "None" || message.value.origin !== origin) changeAll()
    } else if (message.value.origin !== origin && !isAllChanged) {
      for (const [collection, key] of message.value.changed) keys.push({ collection, key })
      if (keys.length > mostKeys) changeAll()
    }
  })

  // A database that was emptied or replaced has lost it: that is told by no message.
  const generationKey = `${prefix}generation`
  let generation: unknown
  const ask = Effect.gen(function* () {
    const asked = performance.now()
    let answer = yield* client.send("GET", generationKey)
    if (answer === null) {
      yield* client.send("SET", generationKey, randomUUID(), "NX")
      answer = yield* client.send("GET", generationKey)
    }
    // The answer comes after all messages that were published before the question.
    if (answer !== generation || !isHearing) changeAll()
    generation = answer
    isHearing = true
    heardAt = asked
  })
  yield* ask
  yield* Effect.forkScoped(Effect.repeat(Effect.ignore(ask), Schedule.spaced(trust / 4)))

  return {
    channel,
    messageOf: (changes) =>
      JSON.stringify({
        origin,
        changed: changes.length > mostNamed ? null : changes.map(({ collection, key }) => [collection, key])
      }),
    drain: () => {
      if (!isHearing || performance.now() - heardAt > trust) return everything
      if (isAllChanged) {
        isAllChanged = false
        return everything
      }
      if (keys.length === 0) return nothing
      const drained: Invalidation = { _tag: "Keys", keys }
      keys = []
      return drained
    }
  }
})
