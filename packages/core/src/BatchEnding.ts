/**
 * The result files of a batch that are made here, under keys that follow from the batch: whoever makes them, and however
 * often, they are the same two.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { BlobStore } from "./BlobStore.ts"
import type { Bytes } from "./Bytes.ts"
import { type Job, JobOutput, ownerOfOutputs, partFileLife } from "./Job.ts"
import { ManagedFile } from "./ManagedFile.ts"
import { Registry } from "./Registry.ts"
import { hexOfText, Sha256 } from "./Sha256.ts"
import { isConflict, SourceFailed, StorageError } from "./StorageError.ts"
import { UnifiedIds } from "./UnifiedId.ts"
import * as Uuid from "./Uuid.ts"

export type Role = "output_file_id" | "error_file_id"

const contentType = "application/jsonl"

const drain = async (content: Bytes): Promise<void> => {
  for await (const _ of content);
}

export const sourceFailed = (key: string, cause: unknown): StorageError =>
  new StorageError({ backend: "batches", method: "read", reason: new SourceFailed({ key, cause }) })

/** What is known of stored content. */
export interface Stored {
  readonly bytes: number
  readonly sha256: string
}

export const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const ids = yield* UnifiedIds
  const registry = yield* Registry
  const sha256 = yield* Sha256

  const fileKey = (job: Job, role: Role): string =>
    Uuid.fromDigest(hexOfText(sha256, ["batch result", job.key, role].join("\0")))

  return {
    fileKey,

    /** Stores content, unless the file is there already, and measures it. */
    store: Effect.fnUntraced(function* (key: string, content: Bytes) {
      const hasher = sha256.hasher()
      let bytes = 0
      const measured: Bytes = {
        async *[Symbol.asyncIterator]() {
          for await (const chunk of content) {
            bytes += chunk.byteLength
            hasher.update(chunk)
            yield chunk
          }
        }
      }
      if ((yield* registry.file(key)) === undefined) {
        // What a crash has left.
        yield* blobs.remove(key)
        yield* blobs.put(key, measured)
      } else {
        yield* Effect.tryPromise({ try: () => drain(measured), catch: (cause) => sourceFailed(key, cause) })
      }
      const stored: Stored = { bytes, sha256: hasher.digest() }
      return stored
    }),

    /** The file's row: a new one, or that of who was faster. `life` in seconds; null for as long as nobody deletes it. */
    record: Effect.fnUntraced(function* (job: Job, role: Role, { bytes, sha256 }: Stored, life: number | null) {
      const key = fileKey(job, role)
      const now = yield* Clock.currentTimeMillis
      const lifeMillis = job.parent === undefined ? life && life * 1000 : partFileLife
      const expiresAt = lifeMillis === null ? null : now + lifeMillis
      const identity = { uuid: key, contentType, models: [], providerFileId: null, deployment: job.deployment || null }
      const row = new ManagedFile({
        key,
        id: ids.encode({ _tag: "File", ...identity }),
        state: "ready",
        owner: ownerOfOutputs(job),
        filename: `${job.id ?? job.key}_${role === "output_file_id" ? "output" : "error"}.jsonl`,
        bytes,
        sha256,
        declaredType: null,
        contentType,
        purpose: "batch_output",
        createdAt: now,
        expiresAt,
        models: [],
        kept: true,
        replicas: [],
        lostUploads: [],
        instance: null,
        idempotency: null,
        dueAt: expiresAt,
        attempts: 0
      })
      yield* registry.insertFile(row).pipe(Effect.catchIf(isConflict, () => Effect.void))
      return new JobOutput({ role, remoteId: key, file: key, id: row.id ?? "" })
    })
  }
})
