/**
 * The result files of a batch that are made here, under keys that follow from the batch: whoever makes them, and however
 * often, they are the same two.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { BlobStore } from "./BlobStore.ts"
import type { Bytes } from "./Bytes.ts"
import { type Job, JobOutput, ownerOfOutputs, partFileLife } from "./Job.ts"
import * as MeasuredBytes from "./MeasuredBytes.ts"
import { type LostUpload, ManagedFile } from "./ManagedFile.ts"
import { Registry } from "./Registry.ts"
import { hexOfText, Sha256 } from "./Sha256.ts"
import { isConflict, SourceFailed, StorageError } from "./StorageError.ts"
import { UnifiedIds } from "./UnifiedId.ts"
import * as Uuid from "./Uuid.ts"

export type Role = "output_file_id" | "error_file_id"

const contentType = "application/jsonl"

export const sourceFailed = (key: string, cause: unknown): StorageError =>
  new StorageError({ backend: "batches", method: "read", reason: new SourceFailed({ key, cause }) })

export const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const ids = yield* UnifiedIds
  const registry = yield* Registry
  const sha256 = yield* Sha256

  const fileKey = (job: Job, role: Role): string =>
    Uuid.fromDigest(hexOfText(sha256, ["batch result", job.key, role].join("\0")))

  return {
    fileKey,

    /**
     * Stores `fresh`, or, if somebody has done so already, reads what is there as `known` gives it back; and measures
     * it. What is there stays, whoever else is at it.
     */
    storeOnce: Effect.fnUntraced(function* (key: string, fresh: Bytes, known: (stored: Bytes) => Bytes) {
      const there = yield* blobs.open(key).pipe(
        Effect.catchIf(
          ({ reason }) => reason._tag === "Missing",
          () => Effect.succeed(null)
        )
      )
      const measured = MeasuredBytes.of(there === null ? fresh : known(there), sha256)
      const isKnown = there !== null || (yield* registry.file(key)) !== undefined
      if (isKnown) return yield* MeasuredBytes.read(key, measured)
      yield* blobs.put(key, measured.content)
      return measured.measure()
    }, Effect.scoped),

    /**
     * The file's row: a new one, or that of who was faster. `life` in seconds; null for as long as nobody deletes it. With
     * it goes what the file was made of, and is to be deleted at its provider.
     */
    record: Effect.fnUntraced(function* (
      job: Job,
      role: Role,
      { bytes, sha256 }: MeasuredBytes.Measure,
      life: number | null,
      left: ReadonlyArray<LostUpload> = []
    ) {
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
        lostUploads: left,
        instance: null,
        idempotency: null,
        dueAt: left.reduce<number | null>((due, { endedAt }) => Math.min(due ?? endedAt, endedAt), expiresAt),
        attempts: 0
      })
      yield* registry.insertFile(row).pipe(Effect.catchIf(isConflict, () => Effect.void))
      return new JobOutput({ role, remoteId: key, file: key, id: row.id ?? "" })
    })
  }
})
