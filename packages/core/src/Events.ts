/** What becomes of files and jobs in this process, as a stream, and told to hooks. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Event } from "./Event.ts"
import { Hooks, stepsOf } from "./Hooks.ts"
import { Registry } from "./Registry.ts"

export class Events extends Context.Service<
  Events,
  {
    /** Events from now on. Who is too slow misses the oldest. */
    readonly stream: Stream.Stream<Event>
    /** The same to be taken one by one, from when this has succeeded until the scope closes. */
    readonly subscribe: Effect.Effect<PubSub.Subscription<Event>, never, Scope.Scope>
  }
>()("@omnifile/core/Events") {}

const make = Effect.gen(function* () {
  const { committed } = yield* Registry
  const subscribe = Effect.flatMap(committed, PubSub.subscribe)
  const onEvents = stepsOf(yield* Hooks, "onEvent")

  /** One after the other, in the order of their making; what goes wrong in a hook is its own affair. */
  const tell = (event: Event) =>
    Effect.forEach(
      onEvents,
      (onEvent) => Effect.catchCause(onEvent(event), (cause) => Effect.logWarning("A hook failed at an event", cause)),
      { discard: true }
    )
  if (onEvents.length > 0) {
    const subscription = yield* subscribe
    yield* Effect.forkScoped(Effect.forever(Effect.flatMap(PubSub.take(subscription), tell)))
  }
  return Events.of({ stream: Stream.unwrap(Effect.map(committed, Stream.fromPubSub)), subscribe })
})

export const layer: Layer.Layer<Events, never, Hooks | Registry> = Layer.effect(Events, make)
