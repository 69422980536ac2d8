/** A database of LiteLLM, as its published schema makes it, and what its versions write into it. */
import postgres from "postgres"

/** The tables of managed files as they came to be, one migration after the other. */
const migrations = [
  `CREATE TABLE "LiteLLM_ManagedFileTable" (
     "id" TEXT NOT NULL,
     "unified_file_id" TEXT NOT NULL,
     "file_object" JSONB NOT NULL,
     "model_mappings" JSONB NOT NULL,
     "created_at" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
     "updated_at" TIMESTAMP(3) NOT NULL,
     CONSTRAINT "LiteLLM_ManagedFileTable_pkey" PRIMARY KEY ("id")
   )`,
  `CREATE UNIQUE INDEX "LiteLLM_ManagedFileTable_unified_file_id_key" ON "LiteLLM_ManagedFileTable"("unified_file_id")`,
  `CREATE INDEX "LiteLLM_ManagedFileTable_unified_file_id_idx" ON "LiteLLM_ManagedFileTable"("unified_file_id")`,
  `ALTER TABLE "LiteLLM_ManagedFileTable"
     ADD COLUMN "created_by" TEXT,
     ADD COLUMN "flat_model_file_ids" TEXT[] DEFAULT ARRAY[]::TEXT[],
     ADD COLUMN "updated_by" TEXT`,
  `CREATE TABLE "LiteLLM_ManagedObjectTable" (
     "id" TEXT NOT NULL,
     "unified_object_id" TEXT NOT NULL,
     "model_object_id" TEXT NOT NULL,
     "file_object" JSONB NOT NULL,
     "file_purpose" TEXT NOT NULL,
     "created_at" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
     "created_by" TEXT,
     "updated_at" TIMESTAMP(3) NOT NULL,
     "updated_by" TEXT,
     CONSTRAINT "LiteLLM_ManagedObjectTable_pkey" PRIMARY KEY ("id")
   )`,
  `CREATE UNIQUE INDEX "LiteLLM_ManagedObjectTable_unified_object_id_key"
     ON "LiteLLM_ManagedObjectTable"("unified_object_id")`,
  `CREATE UNIQUE INDEX "LiteLLM_ManagedObjectTable_model_object_id_key"
     ON "LiteLLM_ManagedObjectTable"("model_object_id")`,
  `ALTER TABLE "LiteLLM_ManagedFileTable" ALTER COLUMN "file_object" DROP NOT NULL`,
  `ALTER TABLE "LiteLLM_ManagedObjectTable" ADD COLUMN "status" TEXT`,
  `ALTER TABLE "LiteLLM_ManagedFileTable" ADD COLUMN IF NOT EXISTS "storage_backend" TEXT`,
  `ALTER TABLE "LiteLLM_ManagedFileTable" ADD COLUMN IF NOT EXISTS "storage_url" TEXT`,
  `ALTER TABLE "LiteLLM_ManagedObjectTable" ADD COLUMN "batch_processed" BOOLEAN NOT NULL DEFAULT false`,
  `ALTER TABLE "LiteLLM_ManagedFileTable" ADD COLUMN IF NOT EXISTS "team_id" TEXT`,
  `ALTER TABLE "LiteLLM_ManagedObjectTable" ADD COLUMN IF NOT EXISTS "team_id" TEXT`,
  `CREATE INDEX IF NOT EXISTS "LiteLLM_ManagedFileTable_team_id_created_at_idx"
     ON "LiteLLM_ManagedFileTable" ("team_id", "created_at" DESC)`,
  `CREATE INDEX IF NOT EXISTS "LiteLLM_ManagedObjectTable_team_id_created_at_idx"
     ON "LiteLLM_ManagedObjectTable" ("team_id", "created_at" DESC)`,
  `CREATE TABLE "LiteLLM_ManagedFileContentTable" (
     "id" TEXT NOT NULL,
     "content" BYTEA NOT NULL,
     CONSTRAINT "LiteLLM_ManagedFileContentTable_pkey" PRIMARY KEY ("id")
   )`
]

/** How many of the migrations the first version with managed files had. */
export const firstVersion = 3

const base64url = (text: string): string => Buffer.from(text).toString("base64url")

/** IDs of each generation. */
export const ids = {
  file: (uuid: string, type: string, models: string, remoteId: string, deployment: string): string =>
    base64url(
      `litellm_proxy:${type};unified_id,${uuid};target_model_names,${models};` +
        `llm_output_file_id,${remoteId};llm_output_file_model_id,${deployment}`
    ),
  firstGeneration: (uuid: string, type: string): string => base64url(`litellm_proxy:${type};unified_id,${uuid}`),
  secondGeneration: (uuid: string, type: string, models: string): string =>
    base64url(`litellm_proxy:${type};unified_id,${uuid};target_model_names,${models}`),
  batch: (deployment: string, remoteId: string): string =>
    base64url(`litellm_proxy;model_id:${deployment};llm_batch_id:${remoteId}`),
  job: (deployment: string, remoteId: string): string =>
    base64url(`litellm_proxy;model_id:${deployment};generic_response_id:${remoteId}`)
}

interface NewFile {
  readonly unifiedId: string
  readonly object: Readonly<Record<string, unknown>> | string | null
  readonly mappings: Readonly<Record<string, string>>
  readonly createdBy?: string
  readonly team?: string
  readonly storageBackend?: string
}

interface NewObject {
  readonly unifiedId: string
  readonly remoteId: string
  readonly object: Readonly<Record<string, unknown>>
  readonly purpose: string
  readonly status?: string
  readonly createdBy?: string
  readonly team?: string
}

export interface LitellmDatabase {
  /** As LiteLLM writes it, with Prisma's parameters. */
  readonly url: string
  readonly addFile: (file: NewFile) => Promise<void>
  readonly addObject: (object: NewObject) => Promise<void>
  readonly addContent: (id: string, content: Uint8Array) => Promise<void>
  /** A digest of everything in the tables. */
  readonly digest: () => Promise<string>
  readonly close: () => Promise<void>
}

/** Makes the tables in a schema of their own; `versions` is how many migrations have been applied. */
export const make = async (url: string, schema: string, versions = migrations.length): Promise<LitellmDatabase> => {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connection: { search_path: schema } })
  await sql.unsafe(`CREATE SCHEMA ${schema}`)
  for (const migration of migrations.slice(0, versions)) await sql.unsafe(migration)
  let count = 0
  const rowId = (): string => `0000000${++count}`.slice(-8)
  const insert = async (table: string, row: Readonly<Record<string, postgres.ParameterOrJSON<never> | null>>) => {
    const given = Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined))
    await sql`INSERT INTO ${sql(table)} ${sql(given)}`
  }
  const json = (value: unknown) => (value === null ? null : sql.json(value as postgres.JSONValue))
  return {
    url: `${url}?schema=${schema}&connection_limit=10&pool_timeout=60`,
    addFile: ({ createdBy, mappings, object, storageBackend, team, unifiedId }) =>
      insert("LiteLLM_ManagedFileTable", {
        id: rowId(),
        unified_file_id: unifiedId,
        file_object: json(object),
        model_mappings: json(mappings),
        updated_at: new Date(0),
        ...(createdBy === undefined ? {} : { created_by: createdBy }),
        ...(team === undefined ? {} : { team_id: team }),
        ...(storageBackend === undefined ? {} : { storage_backend: storageBackend })
      }),
    addObject: ({ createdBy, object, purpose, remoteId, status, team, unifiedId }) =>
      insert("LiteLLM_ManagedObjectTable", {
        id: rowId(),
        unified_object_id: unifiedId,
        model_object_id: remoteId,
        file_object: json(object),
        file_purpose: purpose,
        updated_at: new Date(0),
        ...(createdBy === undefined ? {} : { created_by: createdBy }),
        ...(team === undefined ? {} : { team_id: team }),
        ...(status === undefined ? {} : { status })
      }),
    addContent: async (id, content) => {
      await sql`INSERT INTO "LiteLLM_ManagedFileContentTable" (id, content) VALUES (${id}, ${Buffer.from(content)})`
    },
    digest: async () => {
      const rows = await sql`
        SELECT md5(string_agg(row::text, E'\n' ORDER BY row::text)) AS digest FROM (
          SELECT f::text AS row FROM "LiteLLM_ManagedFileTable" f
          UNION ALL SELECT o::text FROM "LiteLLM_ManagedObjectTable" o
        ) AS every`
      return String(rows[0]?.["digest"])
    },
    close: () => sql.end({ timeout: 1 })
  }
}
