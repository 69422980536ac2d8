/** What a configuration is decoded from: a tree of values, and where each of them stands. */
import type { Problem } from "./ConfigurationError.ts"

export type Path = ReadonlyArray<string | number>

/** Something wrong with a value of the tree, before it is known where that stands. */
export interface Finding {
  readonly path: Path
  readonly message: string
  /** What is wrong: the field's value (the default), its name, or that it or what it refers to is not there. */
  readonly kind?: "value" | "name" | "absence" | undefined
}

export interface Source {
  /**
   * Mappings are plain objects and lists are arrays. A field without a value is undefined; a secret is
   * `Redacted`.
   */
  readonly value: unknown
  /** What went wrong while reading. */
  readonly problems: ReadonlyArray<Problem>
  /** The finding as a problem, or null if it only follows from one that is in `problems`. */
  readonly locate: (finding: Finding) => Problem | null
}

/** A name that may be shown: without digits and colons it is hardly a secret that slipped into its place. */
const showable = /^[A-Za-z][A-Za-z_-]{0,31}$/

const showStep = (step: string | number): string => {
  if (typeof step === "number") return `[${step}]`
  return showable.test(step) ? `.${step}` : ".…"
}

/** Such as `accounts[0].api_key`; null for the root. */
export const showPath = (path: Path): string | null =>
  path.length === 0 ? null : path.map(showStep).join("").replace(/^\./, "")

const secretFields = new Set<unknown>([
  "api_key",
  "key",
  "secret",
  "previous_secrets",
  "access_key_id",
  "secret_access_key",
  "session_token"
])

/** Whether the text at this path is to be redacted. The addresses of storage may hold passwords. */
export const isSecret = (path: Path): boolean =>
  (path[0] === "storage" && path.length === 2) || secretFields.has(path.findLast((step) => typeof step === "string"))

/** What a path with `*` for any element of a list leads to, each with its own path. */
export const select = (
  value: unknown,
  pattern: ReadonlyArray<string>,
  path: Path = []
): ReadonlyArray<{ readonly path: Path; readonly value: unknown }> => {
  const [step, ...rest] = pattern
  if (step === undefined) return [{ path, value }]
  if (step !== "*") return select(fieldOf(value, step), rest, [...path, step])
  return Array.isArray(value) ? value.flatMap((element, index) => select(element, rest, [...path, index])) : []
}

/** A field of a mapping; undefined for everything else. */
export const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined
