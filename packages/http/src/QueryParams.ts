/** Query parameters of OpenAI's lists, each refused by name when it is malformed. */
import { invalid, type InvalidRequest } from "@omnifile/core/CallError"
import * as Effect from "effect/Effect"

/** The query of a URL as it was written, without its question mark. */
export const textOf = (url: string): string => {
  const query = url.indexOf("?")
  return query < 0 ? "" : url.slice(query + 1)
}

export const parse = (url: string): URLSearchParams => new URLSearchParams(textOf(url))

/** A whole number between two bounds. */
export const integer = (
  params: URLSearchParams,
  name: string,
  bounds: { readonly min: number; readonly max: number; readonly default: number }
): Effect.Effect<number, InvalidRequest> => {
  const text = params.get(name)
  if (text === null) return Effect.succeed(bounds.default)
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  return value >= bounds.min && value <= bounds.max
    ? Effect.succeed(value)
    : Effect.fail(invalid(`\`${name}\` must be a whole number from ${bounds.min} to ${bounds.max}.`, name))
}

/** One of some words; null if it is absent. */
export const oneOf = <const Word extends string>(
  params: URLSearchParams,
  name: string,
  words: ReadonlyArray<Word>
): Effect.Effect<Word | null, InvalidRequest> => {
  const text = params.get(name)
  if (text === null) return Effect.succeed(null)
  const word = words.find((candidate) => candidate === text)
  return word === undefined
    ? Effect.fail(invalid(`\`${name}\` must be one of ${words.join(", ")}.`, name))
    : Effect.succeed(word)
}

/** Any text but the empty one; null if it is absent. */
export const text = (params: URLSearchParams, name: string): Effect.Effect<string | null, InvalidRequest> => {
  const value = params.get(name)
  return value === "" ? Effect.fail(invalid(`\`${name}\` must not be empty.`, name)) : Effect.succeed(value)
}
