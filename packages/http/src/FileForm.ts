/** The fields of an upload, from form text to the values of a `CreateFile`. */
import { invalid, type InvalidRequest } from "@omnifile/core/CallError"
import { type InputPurpose, inputPurposes } from "@omnifile/core/ManagedFile"
import * as Effect from "effect/Effect"

export type Fields = ReadonlyMap<string, ReadonlyArray<string>>

/** Everything of an upload but its file. */
export interface FileFields {
  readonly purpose: InputPurpose
  readonly models: ReadonlyArray<string>
  /** Seconds. */
  readonly expiresAfter: number | null
}

const shortestExpiry = 3_600
const longestExpiry = 2_592_000

/** The value of a field that may be repeated only with the same value. */
const single = (fields: Fields, name: string): Effect.Effect<string | null, InvalidRequest> => {
  const values = [...new Set(fields.get(name) ?? [])]
  return values.length > 1
    ? Effect.fail(invalid(`\`${name}\` is given more than once.`, name))
    : Effect.succeed(values[0] ?? null)
}

const parsePurpose = Effect.fnUntraced(function* (fields: Fields) {
  const given = yield* single(fields, "purpose")
  if (given === null) return yield* invalid("Missing required parameter: 'purpose'.", "purpose")
  const purpose = inputPurposes.find((candidate) => candidate === given)
  if (purpose === undefined) {
    return yield* invalid(`\`purpose\` must be one of ${inputPurposes.join(", ")}.`, "purpose", "invalid_value")
  }
  return purpose
})

const modelField = /^target_model_names(?:\[\d*\])?$/

/** A comma list, a repeated field, or both; blanks and doubles are ignored. */
const parseModels = (fields: Fields): ReadonlyArray<string> => {
  const names = [...fields]
    .filter(([name]) => modelField.test(name))
    .flatMap(([, values]) => values)
    .flatMap((value) => value.split(","))
    .map((name) => name.trim())
    .filter((name) => name !== "")
  return [...new Set(names)]
}

const parseExpiry = Effect.fnUntraced(function* (fields: Fields) {
  const stray = [...fields.keys()].find(
    (name) => name.startsWith("expires_after") && name !== "expires_after[anchor]" && name !== "expires_after[seconds]"
  )
  if (stray !== undefined) {
    const message = "Give `expires_after` as `expires_after[anchor]` and `expires_after[seconds]`."
    return yield* invalid(message, "expires_after")
  }
  const anchor = yield* single(fields, "expires_after[anchor]")
  const seconds = yield* single(fields, "expires_after[seconds]")
  if (anchor === null && seconds === null) return null
  if (anchor !== "created_at") {
    return yield* invalid("`expires_after[anchor]` must be `created_at`.", "expires_after[anchor]")
  }
  const value = seconds !== null && /^\d{1,9}$/.test(seconds) ? Number(seconds) : Number.NaN
  if (!(value >= shortestExpiry && value <= longestExpiry)) {
    const message = `\`expires_after[seconds]\` must be a whole number from ${shortestExpiry} to ${longestExpiry}.`
    return yield* invalid(message, "expires_after[seconds]")
  }
  return value
})

export const parse: (fields: Fields) => Effect.Effect<FileFields, InvalidRequest> = Effect.fnUntraced(
  function* (fields) {
    const purpose = yield* parsePurpose(fields)
    const models = parseModels(fields)
    const expiresAfter = yield* parseExpiry(fields)
    return { purpose, models, expiresAfter }
  }
)

const longestName = 1_024

/** The name without any path before it. What could end a header, or a C string, is refused, naming `param`. */
export const parseFilename = (given: string, param = "file"): Effect.Effect<string, InvalidRequest> => {
  const name = given.split(/[/\\]/).at(-1) ?? ""
  if (name === "" || name === "." || name === "..") {
    return Effect.fail(invalid(`\`${param}\` has no usable file name.`, param))
  }
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  if (/[\u0000-\u001f\u007f]/.test(name)) {
    return Effect.fail(invalid("The name of the file has control characters in it.", param))
  }
  return name.length > longestName
    ? Effect.fail(invalid(`The name of the file is longer than ${longestName} characters.`, param))
    : Effect.succeed(name.toWellFormed())
}
