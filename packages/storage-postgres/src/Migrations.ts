/** The tables, as numbered steps that only go forward. The steps that were applied are in `schema_versions`. */
import type { Client } from "./Database.ts"

/** The schema belongs to something else, or to a later release that this one cannot work beside. */
export class UnknownSchema extends Error {
  override readonly name = "UnknownSchema"
}

export interface Step {
  readonly sql: string
  /**
   * The first version whose releases can still work when the step was applied, so that they go on beside the new
   * release until they are replaced.
   */
  readonly servesFrom: number
}

/**
 * `records.entries` repeats a record's index entries as JSON, so that a commit which does not change them leaves
 * the index alone, and one that does finds the old ones by their primary key. That key is the order of an index,
 * so that a page is one range read of it.
 *
 * `commits` remembers for a while who changed what: other instances read there what they must no longer believe,
 * and a commit whose answer was lost on the way finds there that it was applied.
 *
 * `apply_commit` answers null, or the place of a change that does not hold: then nothing was applied. It locks in
 * the order of keys, so that commits wait for each other but not in a circle, and raises no error for a conflict,
 * which the server would write to its log.
 */
const first = `
  CREATE TABLE records (
    collection text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    value text NOT NULL,
    entries text NOT NULL,
    PRIMARY KEY (collection, key)
  ) WITH (fillfactor = 80);

  CREATE TABLE entries (
    collection text COLLATE "C" NOT NULL,
    "index" text COLLATE "C" NOT NULL,
    partition text COLLATE "C" NOT NULL,
    sort text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    PRIMARY KEY (collection, "index", partition, sort, key)
  );

  CREATE TABLE commits (
    id uuid PRIMARY KEY,
    writer uuid NOT NULL,
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    committed_at timestamptz NOT NULL DEFAULT now(),
    keys text
  );
  CREATE INDEX commits_transaction ON commits (transaction);
  CREATE INDEX commits_committed_at ON commits (committed_at);

  CREATE FUNCTION apply_commit(commit_id uuid, commit_writer uuid, commit_keys text, steps json) RETURNS integer
  LANGUAGE plpgsql AS $$
  DECLARE
    step record;
    known_version bigint;
    known_entries text;
    known_entry json;
    has_written boolean := false;
  BEGIN
    IF EXISTS (SELECT FROM commits WHERE id = commit_id) THEN
      RETURN NULL;
    END IF;

    FOR step IN
      SELECT s.* FROM json_to_recordset(steps) AS s(place integer, collection text, key text, expected bigint)
      ORDER BY s.collection COLLATE "C", s.key COLLATE "C"
    LOOP
      SELECT r.version INTO known_version FROM records r
      WHERE r.collection = step.collection AND r.key = step.key FOR UPDATE;
      IF coalesce(known_version, 0) <> step.expected THEN
        -- An earlier attempt at this commit may have been what changed it.
        RETURN CASE WHEN EXISTS (SELECT FROM commits WHERE id = commit_id) THEN NULL ELSE step.place END;
      END IF;
    END LOOP;

    FOR step IN
      SELECT s.* FROM json_to_recordset(steps)
        AS s(place integer, collection text, key text, expected bigint, value text, entries text)
      WHERE s.expected = 0 AND s.value IS NOT NULL
      ORDER BY s.collection COLLATE "C", s.key COLLATE "C"
    LOOP
      INSERT INTO records (collection, key, version, value, entries)
      VALUES (step.collection, step.key, 1, step.value, step.entries) ON CONFLICT DO NOTHING;
      IF NOT FOUND THEN
        IF has_written THEN
          RAISE serialization_failure USING MESSAGE = 'a record was made by another commit meanwhile';
        END IF;
        RETURN CASE WHEN EXISTS (SELECT FROM commits WHERE id = commit_id) THEN NULL ELSE step.place END;
      END IF;
      has_written := true;
      INSERT INTO entries (collection, "index", partition, sort, key)
      SELECT step.collection, e ->> 0, e ->> 1, e ->> 2, step.key FROM json_array_elements(step.entries::json) AS e;
    END LOOP;

    FOR step IN
      SELECT s.* FROM json_to_recordset(steps)
        AS s(collection text, key text, expected bigint, value text, entries text)
      WHERE s.expected > 0
    LOOP
      SELECT r.entries INTO known_entries FROM records r WHERE r.collection = step.collection AND r.key = step.key;
      IF step.value IS NULL THEN
        DELETE FROM records r WHERE r.collection = step.collection AND r.key = step.key;
      ELSE
        UPDATE records r SET version = r.version + 1, value = step.value, entries = step.entries
        WHERE r.collection = step.collection AND r.key = step.key;
      END IF;
      IF known_entries IS DISTINCT FROM step.entries THEN
        -- One by one: as a join, the planner would at times read all entries for a few.
        FOR known_entry IN SELECT value FROM json_array_elements(known_entries::json) LOOP
          DELETE FROM entries e
          WHERE e.collection = step.collection AND e."index" = known_entry ->> 0
            AND e.partition = known_entry ->> 1 AND e.sort = known_entry ->> 2 AND e.key = step.key;
        END LOOP;
        INSERT INTO entries (collection, "index", partition, sort, key)
        SELECT step.collection, e ->> 0, e ->> 1, e ->> 2, step.key
        FROM json_array_elements(coalesce(step.entries, '[]')::json) AS e;
      END IF;
    END LOOP;

    -- A second attempt that was made at the same time fails here, and its third finds the first.
    INSERT INTO commits (id, writer, keys) VALUES (commit_id, commit_writer, commit_keys);
    RETURN NULL;
  END
  $$;
`

/**
 * Content in chunks. Every chunk belongs to an upload; an upload is found either in `blobs`, when it is what a key
 * holds, or in `blob_uploads`, when it is not finished or not wanted any more. What an upload is changes under the
 * lock of its row there, so that no chunk is stored for one that is given up, and none is read as half of a blob.
 *
 * A chunk is not waited for until it is on the disk: the commit that publishes the blob is, and those before it are
 * then too. If the server was lost in between, chunks may be missing, so that it counts them.
 */
const second = `
  CREATE TABLE blobs (
    key text COLLATE "C" PRIMARY KEY,
    upload uuid NOT NULL,
    size bigint NOT NULL,
    chunk_size integer NOT NULL
  );

  CREATE TABLE blob_uploads (
    id uuid PRIMARY KEY,
    key text COLLATE "C" NOT NULL,
    state text NOT NULL CHECK (state IN ('writing', 'abandoned', 'removed')),
    touched_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE INDEX blob_uploads_key ON blob_uploads (key);
  CREATE INDEX blob_uploads_touched_at ON blob_uploads (touched_at);

  CREATE TABLE blob_chunks (
    upload uuid NOT NULL,
    number integer NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (upload, number)
  );
  -- Files are mostly compressed already; and of what is not compressed, a part can be read.
  ALTER TABLE blob_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;

  -- Whether the upload is still being written.
  CREATE FUNCTION add_blob_chunk(upload_id uuid, chunk_number integer, chunk bytea) RETURNS boolean
  LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM FROM blob_uploads WHERE id = upload_id AND state = 'writing' FOR SHARE;
    IF NOT FOUND THEN
      RETURN false;
    END IF;
    INSERT INTO blob_chunks (upload, number, bytes) VALUES (upload_id, chunk_number, chunk) ON CONFLICT DO NOTHING;
    RETURN true;
  END
  $$;

  -- 'published', also when an earlier attempt has done it; 'taken'; or 'incomplete'.
  CREATE FUNCTION publish_blob(upload_id uuid, blob_key text, blob_size bigint, blob_chunk_size integer) RETURNS text
  LANGUAGE plpgsql AS $$
  DECLARE
    stored_size bigint;
  BEGIN
    PERFORM FROM blob_uploads WHERE id = upload_id AND state = 'writing' FOR UPDATE;
    IF NOT FOUND THEN
      RETURN CASE WHEN EXISTS (SELECT FROM blobs WHERE key = blob_key AND upload = upload_id)
        THEN 'published' ELSE 'taken' END;
    END IF;
    SELECT coalesce(sum(octet_length(bytes)), 0) INTO stored_size FROM blob_chunks WHERE upload = upload_id;
    IF stored_size <> blob_size THEN
      RETURN 'incomplete';
    END IF;
    INSERT INTO blobs (key, upload, size, chunk_size) VALUES (blob_key, upload_id, blob_size, blob_chunk_size)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
      RETURN 'taken';
    END IF;
    DELETE FROM blob_uploads WHERE id = upload_id;
    RETURN 'published';
  END
  $$;

  -- The uploads to the key that nobody may finish any more. Chunks of a blob stay for those who are reading it.
  CREATE FUNCTION remove_blob(blob_key text) RETURNS SETOF uuid
  LANGUAGE plpgsql AS $$
  BEGIN
    RETURN QUERY
      UPDATE blob_uploads SET state = 'abandoned' WHERE key = blob_key AND state <> 'removed' RETURNING id;
    WITH gone AS (DELETE FROM blobs WHERE key = blob_key RETURNING upload)
    INSERT INTO blob_uploads (id, key, state) SELECT upload, blob_key, 'removed' FROM gone;
  END
  $$;
`

/** The steps of this release. */
export const migrations: ReadonlyArray<Step> = [
  { sql: first, servesFrom: 1 },
  { sql: second, servesFrom: 1 }
]

interface Applied {
  readonly version: number
  readonly servesFrom: number
}

/** The version of the schema, 0 if there is none; throws `UnknownSchema` if this release cannot use it. */
const knownVersion = async (sql: Client, schema: string, latest: number): Promise<number> => {
  const [state] = await sql<ReadonlyArray<{ readonly is_ours: boolean; readonly is_used: boolean }>>`
    SELECT to_regclass(${`${schema}.schema_versions`}) IS NOT NULL AS is_ours,
      EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace(${schema})) AS is_used`
  if (state?.is_ours !== true) {
    if (state?.is_used === true) throw new UnknownSchema(`the schema ${schema} has tables of another application`)
    return 0
  }
  const [applied] = await sql<ReadonlyArray<Applied>>`
    SELECT version, serves_from AS "servesFrom" FROM schema_versions ORDER BY version DESC LIMIT 1`
  if (applied === undefined) return 0
  if (applied.servesFrom > latest) {
    throw new UnknownSchema(
      `the schema ${schema} has version ${applied.version}, and this release of @omnifile/storage-postgres knows ` +
        `versions up to ${latest}: use the release that wrote it, or a later one`
    )
  }
  return applied.version
}

/** Brings the tables up to date. Of instances that start together, one does the work and the others wait. */
export const migrate = async (
  client: Client,
  schema: string,
  steps: ReadonlyArray<Step> = migrations
): Promise<void> => {
  if ((await knownVersion(client, schema, steps.length)) >= steps.length) return
  await client.begin(async (transaction) => {
    // Its type lacks what only a client has, and that is not used.
    const sql = transaction as unknown as Client
    await sql`SET LOCAL statement_timeout = 0`
    await sql`SET LOCAL idle_in_transaction_session_timeout = 0`
    await sql`SELECT pg_advisory_xact_lock(hashtextextended(${`omnifile ${schema}`}, 0))`
    const version = await knownVersion(sql, schema, steps.length)
    if (version === 0) {
      // Whoever may not make schemas may be given an empty one.
      const [found] = await sql`SELECT FROM pg_namespace WHERE nspname = ${schema}`
      if (found === undefined) await sql`CREATE SCHEMA ${sql(schema)}`
      await sql`
        CREATE TABLE IF NOT EXISTS schema_versions (
          version integer PRIMARY KEY,
          serves_from integer NOT NULL,
          applied_at timestamptz NOT NULL DEFAULT now()
        )`
    }
    for (const [index, step] of steps.entries()) {
      if (index < version) continue
      await sql.unsafe(step.sql)
      await sql`INSERT INTO schema_versions (version, serves_from) VALUES (${index + 1}, ${step.servesFrom})`
    }
  })
}
