/** The ID by which a request is known in logs and answers: the client's own if it is harmless, else a new one. */
import * as Effect from "effect/Effect"
import type { Headers } from "effect/http/Headers"
import * as Random from "effect/Random"

const safe = /^[\w.:/+=-]{1,128}$/

/** Makes what finds the ID of a request by its headers. */
export const make: Effect.Effect<(headers: Headers) => string> = Effect.map(
  Random.nextIntBetween(36 ** 5, 36 ** 6 - 1),
  (random) => {
    const prefix = random.toString(36)
    let count = 0
    return (headers) => {
      const given = headers["x-request-id"]
      return given !== undefined && safe.test(given) ? given : `req_${prefix}${(++count).toString(36).padStart(6, "0")}`
    }
  }
)
