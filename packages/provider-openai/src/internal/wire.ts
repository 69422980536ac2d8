/** What the parts of OpenAI's wire have in common. */
import { isObject } from "@omnifile/core/Json"
import * as Schema from "effect/Schema"

/** Milliseconds of a time in seconds. */
export const millis = (seconds: number | null | undefined): number | null =>
  seconds === null || seconds === undefined ? null : seconds * 1000

/** An ID that can stand in a path: a segment of dots alone leads elsewhere, however it is written. */
export const Id = Schema.NonEmptyString.check(Schema.isPattern(/^(?!\.{1,2}$)/))

export const numberOf = (value: unknown): number | null => (typeof value === "number" ? value : null)

/** The pairs of a job's metadata; none where there is none. */
export const metadataOf = (value: unknown): Readonly<Record<string, string>> => {
  if (!isObject(value)) return {}
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, text]) => (typeof text === "string" ? [[name, text]] : []))
  )
}
