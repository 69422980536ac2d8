/** Bytes of content that move, as metrics of this process. Each file is counted once, when it has moved or begins to. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

/**
 * - `received`: from clients, stored
 * - `copied`: to providers
 * - `sent`: to clients, from the moment at which it is begun
 */
export type Direction = "received" | "copied" | "sent"

const counter = (direction: Direction) =>
  Metric.counter("omnifile_content_bytes_total", {
    description: "Bytes of files that were received from clients, copied to providers and sent to clients",
    incremental: true,
    attributes: { direction }
  })

/** Makes a function that counts, in the registry of metrics of where it is made. */
export const make: Effect.Effect<(direction: Direction, bytes: number) => void> = Effect.map(
  Effect.context<never>(),
  (context) => {
    const counters = { received: counter("received"), copied: counter("copied"), sent: counter("sent") }
    return (direction, bytes) => counters[direction].updateUnsafe(bytes, context)
  }
)
