/** Codecs for single fields. Each says in one message, without the value, what the field has to be. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { isIP } from "node:net"
import { parseDuration, parseSize } from "./Quantity.ts"
import { suggest } from "./Suggestion.ts"

export type Field<A> = Schema.declareConstructor<A, unknown, readonly []>

/** A codec from what a field may hold, or from a message that tells what it has to be. */
export const make = <A>(read: (input: unknown) => Result.Result<A, string>): Field<A> =>
  Schema.declareConstructor<A, unknown>()(
    [],
    () => (input) =>
      input === undefined
        ? Effect.fail(new SchemaIssue.MissingKey(undefined))
        : Effect.fromResult(Result.mapError(read(input), (message) => new SchemaIssue.InvalidValue({ message })))
  )

/** A codec from a function that answers undefined for what the field may not hold. */
const parsed = <A>(expected: string, parse: (input: unknown) => A | undefined): Field<A> =>
  make((input) => {
    const value = parse(input)
    return value === undefined ? Result.fail(expected) : Result.succeed(value)
  })

const readText = (input: unknown): Result.Result<string, string> => {
  if (typeof input === "string") return Result.succeed(input)
  const isScalar = typeof input === "number" || typeof input === "boolean"
  return Result.fail(isScalar ? "must be text: put it in quotes" : "must be text")
}

const matching = (pattern: RegExp, expected: string): Field<string> =>
  make((input) =>
    Result.flatMap(readText(input), (text) => (pattern.test(text) ? Result.succeed(text) : Result.fail(expected)))
  )

export const identifier: Field<string> = matching(
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
  "must be 1 to 64 letters, digits, dots, underscores and hyphens, the first one a letter or digit"
)

/** A part of a path or a query, such as `v1beta` or `2024-10-21`. */
export const apiVersion: Field<string> = matching(
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
  "must be a version of the provider's API, such as v1 or 2024-10-21; write it in quotes if it is a date"
)

/** Below `/v1`. */
export const apiPath: Field<string> = matching(
  /^(?:\/[a-z0-9_-]{1,64}){1,8}$/,
  "must be a path below /v1 without parameters, such as /videos"
)

/** What cannot be printed: controls, unassigned characters, lone surrogates, line separators. */
const unprintable = /[\p{C}\p{Zl}\p{Zp}]/u

/** A name for people, of a number of characters. */
export const name = (maxLength: number): Field<string> =>
  make((input) =>
    Result.flatMap(readText(input), (text) => {
      const isName = text.trim() === text && text !== "" && !unprintable.test(text) && [...text].length <= maxLength
      return isName
        ? Result.succeed(text)
        : Result.fail(`must be 1 to ${maxLength} printable characters, without spaces at the ends`)
    })
  )

/** The name of a model for clients, who give several of them as a list with commas. */
export const modelName: Field<string> = make((input) =>
  Result.flatMap(readText(input), (text) => {
    const isName = /^[^,]+$/.test(text) && text.trim() === text && !unprintable.test(text) && [...text].length <= 128
    if (!isName) return Result.fail("must be 1 to 128 printable characters without a comma, and no spaces at the ends")
    return text === "*" ? Result.fail("must not be *, which stands for all models") : Result.succeed(text)
  })
)

const readSecret = (input: unknown): Result.Result<string, string> =>
  readText(Redacted.isRedacted(input) ? Redacted.value(input) : input)

const redacted = (read: (text: string) => Result.Result<string, string>): Field<Redacted.Redacted<string>> =>
  make((input) => Result.map(Result.flatMap(readSecret(input), read), (text) => Redacted.make(text)))

/** A secret that travels in a header. */
export const credential: Field<Redacted.Redacted<string>> = redacted((text) => {
  if (text === "") return Result.fail("must not be empty")
  return /^[\x21-\x7e]+$/.test(text)
    ? Result.succeed(text)
    : Result.fail("must be printable ASCII without spaces and line breaks")
})

const secretLength = 16

const readLongSecret = (text: string): Result.Result<string, string> =>
  [...text].length >= secretLength ? Result.succeed(text) : Result.fail(`must have at least ${secretLength} characters`)

/** A secret of the installation. */
export const secret: Field<Redacted.Redacted<string>> = redacted(readLongSecret)

/** A secret of the installation, or empty text for none. */
export const secretOrEmpty: Field<Redacted.Redacted<string>> = redacted((text) =>
  text === "" ? Result.succeed(text) : readLongSecret(text)
)

/** Text that may be redacted, as the parser of it sees fit. */
export const fromSecretText = <A>(read: (text: string) => Result.Result<A, string>): Field<A> =>
  make((input) => Result.flatMap(readSecret(input), read))

export const choice = <const A extends string>(...choices: readonly [A, ...ReadonlyArray<A>]): Field<A> =>
  parsed(`must be one of ${choices.join(", ")}`, (input) => choices.find((known) => known === input))

/** One of names that are known only when the server is put together. */
export const knownName = (names: ReadonlyArray<string>, what: string): Field<string> =>
  make((input) =>
    Result.flatMap(readText(input), (text) =>
      names.includes(text) ? Result.succeed(text) : Result.fail(`is not ${what}${suggest(text, names)}`)
    )
  )

export const flag: Field<boolean> = parsed("must be true or false", (input) => {
  if (typeof input === "boolean") return input
  return input === "true" ? true : input === "false" ? false : undefined
})

/** A number, or text that spells one, as text from the environment does. */
const toNumber = (input: unknown): number =>
  typeof input === "string" && /^-?\d+(\.\d+)?$/.test(input) ? Number(input) : typeof input === "number" ? input : NaN

export const integer = (min: number, max: number): Field<number> =>
  parsed(`must be a whole number from ${min} to ${max}`, (input) => {
    const value = toNumber(input)
    return Number.isInteger(value) && value >= min && value <= max ? value : undefined
  })

export const weight: Field<number> = parsed("must be a number, 0 or more", (input) => {
  const value = toNumber(input)
  return Number.isFinite(value) && value >= 0 ? value : undefined
})

/** Bytes, at least 1. */
export const size: Field<number> = parsed("must be a size such as 512MB, 64MiB or a number of bytes", (input) => {
  const bytes = parseSize(input)
  return bytes !== undefined && bytes >= 1 ? bytes : undefined
})

const day = 24 * 60 * 60 * 1000

/** Milliseconds, at least 1. The longest is what a timer of Node.js can wait for, whole days. */
export const timeout: Field<number> = parsed("must be a duration such as 500ms, 30s, 5m or 24h, up to 24d", (input) => {
  const duration = parseDuration(input)
  return duration !== undefined && duration >= 1 && duration <= 24 * day ? duration : undefined
})

/** Milliseconds, at least 1, for what is remembered rather than waited for. */
export const retention: Field<number> = parsed("must be a duration such as 30m, 24h or 7d, up to 3650d", (input) => {
  const duration = parseDuration(input)
  return duration !== undefined && duration >= 1 && duration <= 3650 * day ? duration : undefined
})

export const host: Field<string> = make((input) =>
  Result.flatMap(readText(input), (text) =>
    isIP(text) > 0 || /^[A-Za-z0-9._-]{1,253}$/.test(text)
      ? Result.succeed(text)
      : Result.fail("must be a host name or an IP address, without a scheme, a port or brackets")
  )
)

/** The text of a base URL, without trailing slashes. */
export const baseUrl: Field<string> = make((input) =>
  Result.flatMap(readText(input), (text) => {
    if (!URL.canParse(text)) return Result.fail("must be an http or https URL, such as https://api.openai.com/v1")
    const url = new URL(text)
    if (url.protocol !== "https:" && url.protocol !== "http:") return Result.fail("must be an http or https URL")
    if (url.username !== "" || url.password !== "") return Result.fail("must not hold a user or a password")
    if (/[?#]/.test(text)) return Result.fail("must not have a query or a fragment")
    return Result.succeed(`${url.origin}${url.pathname}`.replace(/\/+$/, ""))
  })
)

/** The value of an HTTP header. */
export const headerValue: Field<string> = matching(
  /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/,
  "must be text of printable ASCII, without spaces at the ends"
)
