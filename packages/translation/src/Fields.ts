/** Reads the fields of a request. What is absent or null is undefined; another type is the client's mistake. */
import { invalid, type InvalidRequest } from "@omnifile/core/CallError"
import { isObject, type Json, type JsonObject } from "@omnifile/core/Json"

/** The request says something for which the provider has no words. */
export const unsupported = (message: string, param: string): InvalidRequest =>
  invalid(message, param, "unsupported_value")

const mustBe = (what: string, param: string): InvalidRequest => invalid(`\`${param}\` must be ${what}.`, param)

const isAbsent = (value: Json | undefined): value is null | undefined => value === undefined || value === null

export const text = (value: Json | undefined, param: string): string | undefined => {
  if (isAbsent(value)) return undefined
  if (typeof value === "string") return value
  throw mustBe("a string", param)
}

export const number = (value: Json | undefined, param: string): number | undefined => {
  if (isAbsent(value)) return undefined
  if (typeof value === "number") return value
  throw mustBe("a number", param)
}

export const boolean = (value: Json | undefined, param: string): boolean | undefined => {
  if (isAbsent(value)) return undefined
  if (typeof value === "boolean") return value
  throw mustBe("a boolean", param)
}

export const object = (value: Json | undefined, param: string): JsonObject | undefined => {
  if (isAbsent(value)) return undefined
  if (isObject(value)) return value
  throw mustBe("an object", param)
}

export const array = (value: Json | undefined, param: string): ReadonlyArray<Json> | undefined => {
  if (isAbsent(value)) return undefined
  if (Array.isArray(value)) return value
  throw mustBe("an array", param)
}

/** A field that has to be there. */
export const required = <A>(value: A | undefined, param: string): A => {
  if (value === undefined) throw invalid(`\`${param}\` is missing.`, param)
  return value
}

/** A text of an object that has to be there; `param` is the object's place. */
export const requiredText = (from: JsonObject, name: string, param: string): string =>
  required(text(from[name], `${param}.${name}`), `${param}.${name}`)

/** The objects of an array, each with its place. */
export const objects = (
  value: Json | undefined,
  param: string
): ReadonlyArray<readonly [item: JsonObject, param: string]> =>
  (array(value, param) ?? []).map((item, index) => {
    const place = `${param}[${index}]`
    return [required(object(item, place), place), place]
  })
