/** Spans on paths that every call takes: they cost nothing as long as nobody traces. */
import * as Effect from "effect/Effect"
import * as References from "effect/References"

/** Says something of the span that the call is in, if there is one. */
export const annotate = (name: string, value: string): Effect.Effect<void> =>
  Effect.flatMap(References.TracerEnabled, (enabled) =>
    enabled ? Effect.annotateCurrentSpan(name, value) : Effect.void
  )

/** The effect in a span, if tracing is on where it runs. */
export const onDemand = <A, E, R>(effect: Effect.Effect<A, E, R>, name: string): Effect.Effect<A, E, R> =>
  Effect.flatMap(References.TracerEnabled, (enabled) => (enabled ? Effect.withSpan(effect, name) : effect))
