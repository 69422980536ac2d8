/** LiteLLM's tables, read in one snapshot of its database, page by page. Nothing is written. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import postgres from "postgres"

/** It could not be read. The message has no password in it. */
export class LitellmDatabaseError extends Data.TaggedError("LitellmDatabaseError")<{ readonly message: string }> {}

/** A row of `LiteLLM_ManagedFileTable`. Columns that the database does not have yet are null. */
export interface FileRow {
  readonly id: string
  readonly unifiedId: string
  readonly object: unknown
  /** Provider file IDs by deployment; for stored content, URLs by model name. */
  readonly mappings: unknown
  readonly storageBackend: string | null
  readonly createdBy: string | null
  readonly team: string | null
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

/** A row of `LiteLLM_ManagedObjectTable`: a batch, a fine-tuning job, a response. */
export interface ObjectRow {
  readonly id: string
  readonly unifiedId: string
  readonly providerId: string
  readonly object: unknown
  readonly purpose: string
  readonly status: string | null
  readonly createdBy: string | null
  readonly team: string | null
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

export interface LitellmDatabase {
  /** Pages by the rows' own IDs; `after` is the last of the page before, or empty. */
  readonly files: (after: string) => Effect.Effect<ReadonlyArray<FileRow>, LitellmDatabaseError>
  readonly objects: (after: string) => Effect.Effect<ReadonlyArray<ObjectRow>, LitellmDatabaseError>
  /** The bytes that LiteLLM keeps in the database itself, by the ID of their row; undefined if there are none. */
  readonly content: (id: string) => Effect.Effect<Uint8Array | undefined, LitellmDatabaseError>
}

const pageSize = 1_000

const fileTable = "LiteLLM_ManagedFileTable"
const objectTable = "LiteLLM_ManagedObjectTable"

/** Newer versions of LiteLLM have it. */
const contentTable = "litellm_managedfilecontenttable"

/** In a JSON column LiteLLM has at times stored JSON as a text. */
export const unwrapped = (value: unknown): unknown => {
  if (typeof value !== "string") return value
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}

/** The URL without the parameters of Prisma, and what of them means something here. */
const settingsOf = (text: string) => {
  if (!/^postgres(ql)?:\/\//i.test(text) || !URL.canParse(text)) return undefined
  const url = new URL(text)
  const { searchParams } = url
  const sslMode = searchParams.get("sslmode") ?? "prefer"
  const schema = searchParams.get("schema") ?? "public"
  url.search = ""
  const ssl =
    sslMode === "disable"
      ? false
      : sslMode === "require"
        ? ("require" as const)
        : sslMode.startsWith("verify")
          ? ("verify-full" as const)
          : ("prefer" as const)
  return { url: url.href, ssl, schema, password: decodeURIComponent(url.password) }
}

type Row = Readonly<Record<string, unknown>>

const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null)

/** What rows of both tables say. */
const commonOf = (row: Row) => ({
  id: String(row["id"]),
  object: unwrapped(row["file_object"]),
  createdBy: textOf(row["created_by"]),
  team: textOf(row["team_id"]),
  createdAt: Number(row["created_millis"])
})

const fileRow = (row: Row): FileRow => ({
  ...commonOf(row),
  unifiedId: String(row["unified_file_id"]),
  mappings: unwrapped(row["model_mappings"]),
  storageBackend: textOf(row["storage_backend"])
})

const objectRow = (row: Row): ObjectRow => ({
  ...commonOf(row),
  unifiedId: String(row["unified_object_id"]),
  providerId: String(row["model_object_id"]),
  purpose: String(row["file_purpose"]),
  status: textOf(row["status"])
})

/** Opens the database for as long as the scope lasts. `LitellmDatabaseError` if it is none of LiteLLM's. */
export const open = (databaseUrl: string): Effect.Effect<LitellmDatabase, LitellmDatabaseError, Scope.Scope> =>
  Effect.gen(function* () {
    const settings = settingsOf(databaseUrl)
    if (settings === undefined) {
      const message = "The database's URL must be postgres://USER:PASSWORD@HOST:PORT/DATABASE"
      return yield* new LitellmDatabaseError({ message })
    }
    const { password, schema, ssl, url } = settings
    const failed = (cause: unknown): LitellmDatabaseError => {
      const said = cause instanceof Error ? cause.message : String(cause)
      const hidden = password === "" ? said : said.replaceAll(password, "***")
      return new LitellmDatabaseError({ message: `LiteLLM's database cannot be read: ${hidden}` })
    }
    const run = <A>(query: () => Promise<A>): Effect.Effect<A, LitellmDatabaseError> =>
      Effect.tryPromise({ try: query, catch: failed })

    // Its one connection is in one transaction all the time.
    const snapshot = yield* Effect.acquireRelease(
      Effect.sync(() => postgres(url, { max: 1, ssl, connect_timeout: 10, onnotice: () => {}, fetch_types: false })),
      (opened) => Effect.promise(() => opened.end({ timeout: 1 }))
    )
    yield* run(() => snapshot.unsafe("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"))

    const found = yield* run(
      () => snapshot`SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = ${schema}`
    )
    const columns = new Map<string, Set<string>>()
    for (const { column_name: column, table_name: table } of found) {
      columns.set(String(table), (columns.get(String(table)) ?? new Set()).add(String(column)))
    }
    if (!columns.has(fileTable)) {
      const message = `The database has no table "${fileTable}" in its schema ${schema}: it is none of LiteLLM's, or older than managed files`
      return yield* new LitellmDatabaseError({ message })
    }
    const contents = [...columns.keys()].find((name) => name.toLowerCase() === contentTable)

    const scan = (
      table: string,
      wanted: ReadonlyArray<string>,
      after: string
    ): Effect.Effect<ReadonlyArray<Row>, LitellmDatabaseError> => {
      const there = columns.get(table)
      if (there === undefined) return Effect.succeed([])
      const fields = wanted.map((name) =>
        there.has(name) ? snapshot`${snapshot(name)}` : snapshot`NULL AS ${snapshot(name)}`
      )
      const list = fields.reduce((all, field) => snapshot`${all}, ${field}`)
      return run(
        () => snapshot<Array<Row>>`
          SELECT ${list}, (extract(epoch FROM created_at) * 1000)::float8 AS created_millis
          FROM ${snapshot(schema)}.${snapshot(table)}
          WHERE id > ${after} ORDER BY id LIMIT ${pageSize}`
      )
    }
    const fileColumns = [
      "id",
      "unified_file_id",
      "file_object",
      "model_mappings",
      "storage_backend",
      "created_by",
      "team_id"
    ]
    const objectColumns = [
      "id",
      "unified_object_id",
      "model_object_id",
      "file_object",
      "file_purpose",
      "status",
      "created_by",
      "team_id"
    ]
    return {
      files: (after) => Effect.map(scan(fileTable, fileColumns, after), (rows) => rows.map(fileRow)),
      objects: (after) => Effect.map(scan(objectTable, objectColumns, after), (rows) => rows.map(objectRow)),
      content: (id) =>
        contents === undefined
          ? Effect.succeed(undefined)
          : Effect.map(
              run(
                () => snapshot<Array<Row>>`
                  SELECT content FROM ${snapshot(schema)}.${snapshot(contents)} WHERE id::text = ${id}`
              ),
              ([row]) => (row?.["content"] instanceof Uint8Array ? row["content"] : undefined)
            )
    }
  })
