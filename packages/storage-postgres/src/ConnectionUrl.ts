/** What the URL of a database says: `postgres://user:password@host:5432/database?sslmode=verify-full`. */
import * as Result from "effect/Result"

/** The words that libpq has for how a connection is secured. */
const sslModes = ["disable", "prefer", "require", "verify-ca", "verify-full"] as const

export type SslMode = (typeof sslModes)[number]

export interface ConnectionUrl {
  /** The URL without parameters. */
  readonly url: string
  /** Default: `prefer`, which neither demands nor checks anything. */
  readonly sslMode: SslMode
  /** Files in PEM form. */
  readonly certificateAuthorityFile: string | undefined
  readonly certificateFile: string | undefined
  readonly keyFile: string | undefined
  /** The schema that the tables are in. */
  readonly schema: string
  readonly maxConnections: number
  /** In milliseconds. */
  readonly statementTimeout: number
  readonly applicationName: string
}

const parameters = [
  "sslmode",
  "sslrootcert",
  "sslcert",
  "sslkey",
  "schema",
  "max_connections",
  "statement_timeout",
  "application_name"
]

/** Names that need no quotes and, with a prefix, still fit into an identifier of 63 bytes. */
const schemaName = /^[a-z_][a-z0-9_]{0,47}$/

const isSslMode = (text: string): text is SslMode => sslModes.some((mode) => mode === text)

/** The URL's parts, or what is wrong with it. What is wrong names no part that could be secret. */
export const parse = (text: string): Result.Result<ConnectionUrl, string> => {
  const fail = (message: string) => Result.fail(message)
  if (!/^postgres(ql)?:\/\//i.test(text) || !URL.canParse(text)) {
    return fail("must be postgres://USER:PASSWORD@HOST:PORT/DATABASE")
  }
  const url = new URL(text)
  const unknown = [...url.searchParams.keys()].find((name) => !parameters.includes(name))
  if (unknown !== undefined) return fail(`has a parameter that is none of ${parameters.join(", ")}`)
  const parameter = (name: string): string | undefined => url.searchParams.get(name) ?? undefined
  const sslMode = parameter("sslmode") ?? "prefer"
  if (!isSslMode(sslMode)) return fail(`has an sslmode that is none of ${sslModes.join(", ")}`)
  const schema = parameter("schema") ?? "omnifile"
  if (!schemaName.test(schema)) return fail("has a schema that is not of a-z, 0-9 and _, at most 48 of them")
  const maxConnections = Number(parameter("max_connections") ?? 10)
  if (!Number.isInteger(maxConnections) || maxConnections < 1 || maxConnections > 1_000) {
    return fail("has a max_connections that is not a whole number from 1 to 1000")
  }
  const statementTimeout = Number(parameter("statement_timeout") ?? 10_000)
  if (!Number.isInteger(statementTimeout) || statementTimeout < 100 || statementTimeout > 3_600_000) {
    return fail("has a statement_timeout that is not a number of milliseconds from 100 to 3600000")
  }
  const bare = new URL(text)
  bare.search = ""
  return Result.succeed({
    url: bare.href,
    sslMode,
    certificateAuthorityFile: parameter("sslrootcert"),
    certificateFile: parameter("sslcert"),
    keyFile: parameter("sslkey"),
    schema,
    maxConnections,
    statementTimeout,
    applicationName: parameter("application_name") ?? "omnifile"
  })
}
