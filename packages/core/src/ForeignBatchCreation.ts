/**
 * Making a batch of an input in OpenAI's form on a provider that has another: the lines are put in that form once, into
 * our own store, and go from there to the provider, so that a try can be repeated and its length is known.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Deployment } from "./Account.ts"
import type { CreateBatch } from "./BatchOperation.ts"
import type { BatchSummary } from "./BatchSummary.ts"
import * as BatchVariant from "./BatchVariant.ts"
import { BlobStore } from "./BlobStore.ts"
import { ContentUnavailable, invalid, type InvalidRequest } from "./CallError.ts"
import type { FilePlacement } from "./ChatTranslator.ts"
import type { CopySource } from "./CopySource.ts"
import type { ForeignBatches, ForeignBatchSpec, ForeignInput } from "./ForeignBatches.ts"
import * as Input from "./ForeignBatchInput.ts"
import * as Ledger from "./ForeignBatchLedger.ts"
import { JobInput } from "./Job.ts"
import type { Prepared, Read } from "./JobCreation.ts"
import type { JsonObject } from "./Json.ts"
import { jobLead, type ManagedFile, purposeOfCopy } from "./ManagedFile.ts"
import { Registry } from "./Registry.ts"
import { Replication } from "./Replication.ts"
import { hexOfText, Sha256 } from "./Sha256.ts"
import type { StorageError } from "./StorageError.ts"
import type { ProviderAccount } from "./Upstream.ts"

/** What the batch is made of. */
export interface Plan {
  readonly operation: CreateBatch
  readonly file: ManagedFile
  readonly summary: BatchSummary
  /** The lines, and what tells a part of them from the whole file. */
  readonly open: CopySource["open"]
  readonly part: string
  readonly rewriting: BatchVariant.Rewriting
  /** The files that lines name, in the account. */
  readonly copies: ReadonlyArray<{ readonly read: Read; readonly remoteId: string; readonly reference: string }>
}

const param = "input_file_id"

export const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const registry = yield* Registry
  const replication = yield* Replication
  const sha256 = yield* Sha256

  /** Content that cannot be put in the provider's form is the client's mistake; that which breaks off is not. */
  const writeFailed = (
    file: ManagedFile,
    error: StorageError
  ): Effect.Effect<never, ContentUnavailable | InvalidRequest | StorageError> => {
    const { reason } = error
    if (reason._tag !== "SourceFailed") return Effect.fail(error)
    if (reason.cause instanceof Input.InputTooLarge) return Effect.fail(invalid(reason.cause.message, param))
    return Effect.andThen(
      Effect.logError("The input of a batch could not be put in its provider's form", error),
      Effect.fail(new ContentUnavailable({ id: file.id ?? "", message: "The content cannot be read now." }))
    )
  }

  const placementsOf = ({ copies }: Plan): ReadonlyMap<string, FilePlacement> =>
    new Map(
      copies.map(({ read, reference }) => {
        const { contentType, filename } = read.file
        return [read.id, { id: read.id, contentType, filename, as: { _tag: "Reference", value: reference } }]
      })
    )

  /** Puts the input and what is to be remembered of it into our store. */
  const write = Effect.fnUntraced(function* (
    plan: Plan,
    deployment: Deployment,
    { provider }: ProviderAccount,
    batches: ForeignBatches,
    key: string
  ) {
    const { file, operation, rewriting } = plan
    const ledger = new Ledger.Writer(Ledger.outputLifeOf(operation.body))
    const encoding: Input.Encoding = {
      batches,
      translator: provider.chatCompletion === null ? provider.chat : null,
      filePart: provider.filePart,
      rewriting,
      modelName: deployment.modelName,
      files: placementsOf(plan)
    }
    // What a try at another deployment has left.
    yield* blobs.remove(Ledger.inputKey(key))
    yield* blobs.remove(Ledger.ledgerKey(key))
    const content = yield* plan.open
    yield* blobs
      .put(Ledger.inputKey(key), Input.write(content, encoding, ledger))
      .pipe(Effect.catchTag("StorageError", (error) => writeFailed(file, error)))
    const refusal = ledger.firstRefusal
    if (ledger.sent === 0 && refusal !== null) {
      return yield* invalid(
        `No line of the input file can be run on this model. Line ${refusal.line}: ${refusal.message}`,
        param,
        "invalid_batch_line"
      )
    }
    yield* blobs.put(Ledger.ledgerKey(key), ledger.content())
    return ledger
  }, Effect.scoped)

  /** The copy of the input in the account. */
  const upload = Effect.fnUntraced(function* (
    { file, part, rewriting }: Plan,
    { account, provider }: ProviderAccount,
    described: NonNullable<ForeignBatches["inputFile"]>,
    key: string
  ) {
    const { files, model } = rewriting
    const digest = files.size === 0 ? null : hexOfText(sha256, JSON.stringify([...files]))
    const source: CopySource = {
      variant: part + BatchVariant.foreignName(provider.id, model, digest),
      length: yield* blobs.size(Ledger.inputKey(key)),
      open: blobs.open(Ledger.inputKey(key)),
      described: { ...described, mediaType: described.contentType, purpose: purposeOfCopy(file) }
    }
    const row = (yield* registry.file(file.key)) ?? file
    return (yield* replication.ensure(row, account.id, source, jobLead)).remoteId ?? ""
  })

  const knownOf = ({ operation, summary }: Plan, ledger: Ledger.Writer, now: number): JsonObject => {
    const { completion_window: window, endpoint, output_expires_after: expiry } = operation.body
    return {
      object: "batch",
      endpoint,
      errors: null,
      input_file_id: operation.inputFile.id,
      completion_window: window ?? "24h",
      status: "validating",
      output_file_id: null,
      error_file_id: null,
      created_at: Math.floor(now / 1000),
      request_counts: { total: summary.requests, completed: 0, failed: ledger.refused },
      ...(expiry === undefined ? {} : { output_expires_after: expiry })
    }
  }

  return {
    /** The input in the account, and how the batch is made of it. */
    prepare: Effect.fn("ForeignBatchCreation.prepare")(function* (
      plan: Plan,
      deployment: Deployment,
      target: ProviderAccount,
      batches: ForeignBatches,
      key: string
    ) {
      const { copies, file, operation } = plan
      const ledger = yield* write(plan, deployment, target, batches, key)
      const { inputFile } = batches
      const remoteId = inputFile === null ? null : yield* upload(plan, target, inputFile, key)
      const inline = Effect.gen(function* () {
        const length = yield* blobs.size(Ledger.inputKey(key))
        const input: ForeignInput = { _tag: "Inline", body: { bytes: yield* blobs.open(Ledger.inputKey(key)), length } }
        return input
      })
      const input = remoteId === null ? inline : Effect.succeed<ForeignInput>({ _tag: "File", id: remoteId })
      const { endpoint } = operation.body
      const spec = { key, model: deployment.model, endpoint: typeof endpoint === "string" ? endpoint : "" }
      const prepared: Prepared = {
        body: operation.body,
        call: (metadata: ForeignBatchSpec["metadata"]) =>
          Effect.map(input, (given) => batches.create(given, { ...spec, metadata })),
        object: knownOf(plan, ledger, yield* Clock.currentTimeMillis),
        reads: [
          new JobInput({ file: file.key, id: operation.inputFile.id, role: "input", remoteId }),
          ...copies.map(
            ({ read, remoteId: copy }) =>
              new JobInput({ file: read.file.key, id: read.id, role: "line", remoteId: copy })
          )
        ]
      }
      return prepared
    })
  }
})
