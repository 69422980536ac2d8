/** Making an account ready for a batch: its input, and the files that lines name, in a form that the deployment reads. */
import * as Effect from "effect/Effect"
import type { Deployment } from "./Account.ts"
import type { CreateBatch } from "./BatchOperation.ts"
import * as BatchVariant from "./BatchVariant.ts"
import * as ForeignBatchCreation from "./ForeignBatchCreation.ts"
import { JobInput } from "./Job.ts"
import type * as JobCreation from "./JobCreation.ts"
import type { JsonObject } from "./Json.ts"
import { jobLead, type ManagedFile } from "./ManagedFile.ts"
import { Registry } from "./Registry.ts"
import { Replication } from "./Replication.ts"
import { Settings } from "./Settings.ts"
import { Sha256 } from "./Sha256.ts"
import * as SplitLines from "./SplitLines.ts"
import type { ProviderAccount } from "./Upstream.ts"

/** Copies of the files that lines name are made so many at once. */
const concurrency = 8

export const make = Effect.gen(function* () {
  const foreign = yield* ForeignBatchCreation.make
  const registry = yield* Registry
  const replication = yield* Replication
  const settings = yield* Settings
  const sha256 = yield* Sha256

  const upstreamBody = ({ body }: CreateBatch, remoteId: string): JsonObject => {
    const { model: _, ...rest } = body
    return { ...rest, input_file_id: remoteId }
  }

  /** A copy that was lost at the provider may have been struck off since the call began. */
  const newest = (file: ManagedFile) => Effect.map(registry.file(file.key), (row) => row ?? file)

  return {
    /** The input and the files that it names, in the account; and the request that names them. */
    prepare: (operation: CreateBatch, lines: SplitLines.Lines, named: ReadonlyArray<JobCreation.Read>) =>
      Effect.fnUntraced(function* (deployment: Deployment, target: ProviderAccount, key: string) {
        const { account, model } = deployment
        const { bytes, file, open, part, summary } = lines
        const copies = yield* Effect.forEach(
          named,
          Effect.fnUntraced(function* (read) {
            const row = yield* newest(read.file)
            const { reference, remoteId } = yield* replication.ensure(row, account, undefined, jobLead)
            return { read, remoteId: remoteId ?? "", reference: reference ?? remoteId ?? "" }
          }),
          { concurrency }
        )
        const files = new Map(copies.map(({ read, reference }) => [read.id, reference]))
        const rewriting = { model, files, allowProviderIds: settings.allowProviderIds }
        const { batches, foreignBatches } = target.provider
        if (batches === null && foreignBatches !== null) {
          const plan = { operation, file, summary, open, part, rewriting, copies }
          return yield* foreign.prepare(plan, deployment, target, foreignBatches, key)
        }
        const source = BatchVariant.source({ bytes }, summary, rewriting, sha256, open)
        const input = yield* replication.ensure(yield* newest(file), account, SplitLines.named(source, part), jobLead)
        const reads = [
          new JobInput({ file: file.key, id: operation.inputFile.id, role: "input", remoteId: input.remoteId }),
          ...copies.map(
            ({ read, remoteId }) => new JobInput({ file: read.file.key, id: read.id, role: "line", remoteId })
          )
        ]
        return { body: upstreamBody(operation, input.remoteId ?? ""), reads }
      })
  }
})
