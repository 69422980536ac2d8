/** The `Idempotency-Key` of a create. */
import { invalid, type InvalidRequest } from "@omnifile/core/CallError"
import * as Effect from "effect/Effect"
import type { Headers } from "effect/http/Headers"

const longest = 255

/** Null if there is none. */
export const of = (headers: Headers): Effect.Effect<string | null, InvalidRequest> => {
  const value = headers["idempotency-key"]
  return value === undefined || value.length <= longest
    ? Effect.succeed(value === undefined || value === "" ? null : value)
    : Effect.fail(invalid(`An Idempotency-Key has at most ${longest} characters.`, "Idempotency-Key"))
}
