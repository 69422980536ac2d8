/** The pairs that a client may attach to a job. */
import { invalid, type InvalidRequest } from "@omnifile/core/CallError"
import { isObject } from "@omnifile/core/Json"
import * as Effect from "effect/Effect"

const mostPairs = 16
const longestKey = 64
const longestValue = 512

/** Absent and null are none. */
export const check = (value: unknown): Effect.Effect<void, InvalidRequest> => {
  if (value === undefined || value === null) return Effect.void
  if (!isObject(value)) return Effect.fail(invalid("`metadata` must be an object.", "metadata"))
  const pairs = Object.entries(value)
  if (pairs.length > mostPairs) {
    return Effect.fail(invalid(`\`metadata\` must have at most ${mostPairs} pairs.`, "metadata"))
  }
  for (const [key, text] of pairs) {
    if (key.length > longestKey) {
      return Effect.fail(invalid(`A key of \`metadata\` has at most ${longestKey} characters.`, "metadata"))
    }
    if (typeof text !== "string" || text.length > longestValue) {
      const message = `\`metadata.${key}\` must be a string of at most ${longestValue} characters.`
      return Effect.fail(invalid(message, `metadata.${key}`))
    }
  }
  return Effect.void
}
