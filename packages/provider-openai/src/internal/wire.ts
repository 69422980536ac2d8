/** What the parts of OpenAI's wire have in common. */
import { isObject } from "@omnifile/core/Json"
import type { ProviderCall } from "@omnifile/core/Provider"
import * as Schema from "effect/Schema"

/** Milliseconds of a time in seconds. */
export const millis = (seconds: number | null | undefined): number | null =>
  seconds === null || seconds === undefined ? null : seconds * 1000

/** A call without a body, which can be repeated. */
export const bodiless = (name: string, method: "GET" | "DELETE", path: string): ProviderCall => ({
  name,
  method,
  path,
  headers: {},
  body: null,
  idempotent: true
})

/** A call with a JSON body, which must not be repeated by chance. */
export const withJson = (name: string, path: string, body: NonNullable<ProviderCall["body"]>): ProviderCall => ({
  name,
  method: "POST",
  path,
  headers: { "content-type": "application/json" },
  body,
  idempotent: false
})

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
