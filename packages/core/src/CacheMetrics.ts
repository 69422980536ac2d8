/** How often a row was in the cache, as metrics of this process. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

const counter = (result: "hit" | "miss") =>
  Metric.counter("omnifile_file_cache_total", {
    description: "Rows of files that were looked for in the cache",
    incremental: true,
    attributes: { result }
  })

/** Makes a function that counts a look-up, in the registry of metrics of where it is made. */
export const make: Effect.Effect<(hits: number, misses: number) => void> = Effect.map(
  Effect.context<never>(),
  (context) => {
    const [hit, miss] = [counter("hit"), counter("miss")]
    return (hits, misses) => {
      if (hits > 0) hit.updateUnsafe(hits, context)
      if (misses > 0) miss.updateUnsafe(misses, context)
    }
  }
)
