/**
 * What is remembered of a batch's lines: as it was written down or, should that be lost, made again of the input, which is
 * kept as long as the batch is not over.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as BatchEnding from "./BatchEnding.ts"
import { BlobStore } from "./BlobStore.ts"
import type { Bytes } from "./Bytes.ts"
import * as Ledger from "./ForeignBatchLedger.ts"
import type { Job } from "./Job.ts"
import { Jobs } from "./Jobs.ts"
import { parseObject } from "./Json.ts"
import * as SplitLines from "./SplitLines.ts"
import type { StorageError } from "./StorageError.ts"

/** Neither is to be had any more: nobody can say which results belong to which lines. */
export class InputLost extends Data.TaggedError("InputLost") {}

const ifThere = <A, R>(read: Effect.Effect<A, StorageError, R>): Effect.Effect<A | undefined, StorageError, R> =>
  Effect.catchIf(
    read,
    ({ reason }) => reason._tag === "Missing",
    () => Effect.succeed(undefined)
  )

export const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const jobs = yield* Jobs

  const read = (key: string, readAll: (content: Bytes) => Promise<Ledger.Ledger>) =>
    Effect.scoped(
      Effect.flatMap(blobs.open(key), (content) =>
        Effect.tryPromise({ try: () => readAll(content), catch: (cause) => BatchEnding.sourceFailed(key, cause) })
      )
    )

  /** The lines of the input that the batch is made of: all, or those of its part. */
  const cutOf = Effect.fnUntraced(function* ({ key, parent }: Job) {
    if (parent === undefined) return (content: Bytes) => content
    const part = (yield* jobs.read(parent))?.parts?.find((known) => known.key === key)
    return part === undefined ? undefined : (content: Bytes) => SplitLines.cut(content, part)
  })

  const again = Effect.fnUntraced(function* (job: Job, isTranslated: boolean) {
    const input = job.reads.find(({ role }) => role === "input")
    const cut = yield* cutOf(job)
    if (input === undefined || cut === undefined) return undefined
    const known = parseObject(job.object) ?? {}
    const options = { endpoint: String(known["endpoint"]), isTranslated, outputLife: Ledger.outputLifeOf(known) }
    return yield* ifThere(read(input.file, (content) => Ledger.ofInput(cut(content), options)))
  })

  return {
    ledgerOf: Effect.fn("ForeignBatchRecall.ledgerOf")(function* (job: Job, isTranslated: boolean) {
      const written = yield* ifThere(read(Ledger.ledgerKey(job.key), Ledger.read))
      if (written !== undefined) return written
      const made = yield* again(job, isTranslated)
      if (made === undefined) return yield* new InputLost()
      yield* Effect.logWarning("What was remembered of a batch's lines is lost, and made again of its input").pipe(
        Effect.annotateLogs({ account: job.account, job: job.key })
      )
      return made
    })
  }
})
