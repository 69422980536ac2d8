/** Spans on paths that every call takes: they cost nothing as long as nobody traces. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"

/** Says something of the span that the call is in, if there is one. */
export const annotate = (name: string, value: string): Effect.Effect<void> =>
  Effect.flatMap(References.TracerEnabled, (enabled) =>
    enabled ? Effect.annotateCurrentSpan(name, value) : Effect.void
  )

/** So many copies were lost at their provider, as this call has found out, and are made again for it. */
export const annotateLost = (copies: number): Effect.Effect<void> => annotate("omnifile.copies.lost", String(copies))

/** The effect in a span, if tracing is on where it runs. */
export const onDemand = <A, E, R>(effect: Effect.Effect<A, E, R>, name: string): Effect.Effect<A, E, R> =>
  Effect.flatMap(References.TracerEnabled, (enabled) => (enabled ? Effect.withSpan(effect, name) : effect))

/** Its spans are seen by nobody. */
const native = Tracer.nativeTracer

const untraced: Readonly<Record<string, string>> = {}

/**
 * A call to somebody else in a span of its own, if tracing is on. `run` is given the headers that tell of the span, by
 * the W3C's Trace Context; none otherwise.
 */
export const client = <A, E, R>(
  describe: () => { readonly name: string; readonly attributes: Readonly<Record<string, string>> },
  run: (traceHeaders: Readonly<Record<string, string>>) => Effect.Effect<A, E, R>
) =>
  Effect.contextWith((context: Context.Context<never>): Effect.Effect<A, E, R> => {
    const isTraced = Context.get(context, References.TracerEnabled) && Context.get(context, Tracer.Tracer) !== native
    if (!isTraced) return run(untraced)
    const traced = Effect.flatMap(Effect.orDie(Effect.currentSpan), (span) => {
      const { traceparent } = HttpTraceContext.toHeaders(span)
      return run(traceparent === undefined ? untraced : { traceparent })
    })
    const { attributes, name } = describe()
    return Effect.withSpan(traced, name, { kind: "client", attributes: { ...attributes } }) as Effect.Effect<A, E, R>
  })
