/** What becomes of files and jobs in this process, as a stream. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { Event } from "./Event.ts"
import { Registry } from "./Registry.ts"

export class Events extends Context.Service<
  Events,
  {
    /** Events from now on. Who is too slow misses the oldest. */
    readonly stream: Stream.Stream<Event>
  }
>()("@omnifile/core/Events") {}

export const layer: Layer.Layer<Events, never, Registry> = Layer.effect(
  Events,
  Effect.map(Registry, ({ committed }) => Events.of({ stream: Stream.fromPubSub(committed) }))
)
