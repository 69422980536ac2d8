/** Statements on content in chunks; what the tables mean is said in `Migrations.ts`. */
import type { Client } from "./Database.ts"
import { query } from "./Records.ts"

/** What the parameters of a statement about content may be. */
type Parameter = string | number | Uint8Array

/** Rows of a statement. Those of a type are what its columns are. */
const rowsOf = async <Row>(client: Client, text: string, parameters: Array<Parameter>): Promise<ReadonlyArray<Row>> =>
  (await client.unsafe(text, parameters, { prepare: true })) as unknown as ReadonlyArray<Row>

export interface Blob {
  readonly upload: string
  /** In bytes. */
  readonly size: number
  readonly chunkSize: number
}

export const find = async (client: Client, key: string): Promise<Blob | undefined> => {
  const text = `SELECT upload, size::float8 AS size, chunk_size AS "chunkSize" FROM blobs WHERE key = $1`
  return (await query<Blob>(client, { text, parameters: [key] }))[0]
}

export const begin = async (client: Client, id: string, key: string): Promise<void> => {
  const text = "INSERT INTO blob_uploads (id, key, state) VALUES ($1, $2, 'writing') ON CONFLICT DO NOTHING"
  await query(client, { text, parameters: [id, key] })
}

/** Stores a chunk, once however often it is tried. False if the upload may not be finished any more. */
export const add = async (client: Client, id: string, number: number, bytes: Uint8Array): Promise<boolean> => {
  const text = "SELECT add_blob_chunk($1::uuid, $2::integer, $3::bytea) AS added"
  const [row] = await rowsOf<{ readonly added: boolean }>(client, text, [id, number, bytes])
  return row?.added === true
}

/** `incomplete` if the server has lost chunks in a crash. */
export type Outcome = "published" | "taken" | "incomplete"

/** Makes the blob visible, once however often it is tried. */
export const publish = async (client: Client, key: string, blob: Blob): Promise<Outcome> => {
  const text = "SELECT publish_blob($1::uuid, $2::text, $3::text::bigint, $4::integer) AS outcome"
  const parameters = [blob.upload, key, String(blob.size), blob.chunkSize]
  const [row] = await query<{ readonly outcome: Outcome }>(client, { text, parameters })
  return row?.outcome ?? "incomplete"
}

/** At most `length` bytes of a chunk from an offset in it; undefined if there is no such chunk. */
export const chunk = async (
  client: Client,
  upload: string,
  number: number,
  offset: number,
  length: number
): Promise<Uint8Array | undefined> => {
  const text = `
    SELECT substr(bytes, $3::integer + 1, $4::integer) AS bytes FROM blob_chunks
    WHERE upload = $1::uuid AND number = $2::integer`
  const parameters = [upload, number, offset, length]
  const [row] = await query<{ readonly bytes: Uint8Array }>(client, { text, parameters })
  return row?.bytes
}

/** As many chunks as one statement removes, so that none takes long. */
const chunksAtOnce = 256

/** Removes an upload and its chunks. Chunks that are on their way are waited for, and later ones refused. */
export const discard = async (client: Client, id: string): Promise<void> => {
  await query(client, {
    text: "UPDATE blob_uploads SET state = 'abandoned' WHERE id = $1 AND state = 'writing'",
    parameters: [id]
  })
  for (;;) {
    const removed = await query(client, {
      text: `
        DELETE FROM blob_chunks WHERE upload = $1 AND number = ANY (ARRAY(
          SELECT number FROM blob_chunks WHERE upload = $1 ORDER BY number LIMIT ${chunksAtOnce}
        )) RETURNING number`,
      parameters: [id]
    })
    if (removed.length < chunksAtOnce) break
  }
  await query(client, { text: "DELETE FROM blob_uploads WHERE id = $1", parameters: [id] })
}

/** Removes the content of a key, and ends all unfinished uploads to it. */
export const remove = async (client: Client, key: string): Promise<void> => {
  const ended = await query<{ readonly id: string }>(client, {
    text: "SELECT remove_blob($1) AS id",
    parameters: [key]
  })
  for (const { id } of ended) await discard(client, id)
}

/** Says that these uploads are still being written. */
export const touch = async (client: Client, ids: ReadonlyArray<string>): Promise<void> => {
  if (ids.length === 0) return
  const text = `
    UPDATE blob_uploads SET touched_at = now()
    WHERE id = ANY (ARRAY(SELECT json_array_elements_text($1::text::json)::uuid)) AND state = 'writing'`
  await query(client, { text, parameters: [JSON.stringify(ids)] })
}

/** Removes what nobody has touched for so many milliseconds. Returns how many uploads that were. */
export const sweep = async (client: Client, untouchedFor: number): Promise<number> => {
  const old = await query<{ readonly id: string }>(client, {
    text: `
      UPDATE blob_uploads SET state = CASE state WHEN 'writing' THEN 'abandoned' ELSE state END
      WHERE touched_at <= now() - make_interval(secs => $1::text::float8 / 1000)
      RETURNING id`,
    parameters: [String(untouchedFor)]
  })
  for (const { id } of old) await discard(client, id)
  return old.length
}
