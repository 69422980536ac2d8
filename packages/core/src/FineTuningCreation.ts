/**
 * Making a fine-tuning job: its data are brought to the account of a deployment, and the request is written in that
 * account's terms.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Deployment } from "./Account.ts"
import { type CallError, invalid } from "./CallError.ts"
import type { CreateFineTuningJob, DataField } from "./FineTuningOperation.ts"
import type { Call } from "./Hooks.ts"
import { type Job, JobInput } from "./Job.ts"
import * as JobCreation from "./JobCreation.ts"
import { jobLead } from "./ManagedFile.ts"
import { Registry } from "./Registry.ts"
import { Replication } from "./Replication.ts"

const roles = { training_file: "training", validation_file: "validation" } as const satisfies Record<DataField, string>

/** The files of the request that are ours. */
const readsOf = ({ files, operation }: Call<CreateFineTuningJob>): ReadonlyArray<JobCreation.Read> =>
  operation.files.flatMap(({ id, param }) => {
    const file = files.get(id)
    return file === undefined ? [] : [{ file, id, param, role: roles[param] }]
  })

export const make = Effect.gen(function* () {
  const creation = yield* JobCreation.make
  const registry = yield* Registry
  const replication = yield* Replication

  const checkPurposes = (reads: ReadonlyArray<JobCreation.Read>) => {
    const wrong = reads.find(({ file }) => file.purpose !== "fine-tune")
    if (wrong === undefined) return Effect.void
    const message = `The file ${wrong.id} must have the purpose fine-tune, not ${wrong.file.purpose}.`
    return Effect.fail(invalid(message, wrong.param, "invalid_purpose"))
  }

  /** The data in the account, and the request that names them there. */
  const prepare = ({ body }: CreateFineTuningJob, reads: ReadonlyArray<JobCreation.Read>) =>
    Effect.fnUntraced(function* ({ account, model }: Deployment) {
      const copies = yield* Effect.forEach(
        reads,
        Effect.fnUntraced(function* (read) {
          // A copy that was lost at the provider may have been struck off since the call began.
          const file = (yield* registry.file(read.file.key)) ?? read.file
          const { remoteId } = yield* replication.ensure(file, account, undefined, jobLead)
          return { read, remoteId: remoteId ?? "" }
        }),
        { concurrency: "unbounded" }
      )
      const fields = Object.fromEntries(copies.map(({ read, remoteId }) => [read.param, remoteId]))
      return {
        body: { ...body, ...fields, model },
        reads: copies.map(
          ({ read: { file, id, role }, remoteId }) => new JobInput({ file: file.key, id, role, remoteId })
        )
      }
    })

  return {
    create: Effect.fn("FineTuningCreation.create")(function* (
      call: Call<CreateFineTuningJob>
    ): Effect.fn.Return<Job, CallError, Scope.Scope> {
      const { body, idempotencyKey, model } = call.operation
      const reads = readsOf(call)
      yield* checkPurposes(reads)
      return yield* creation.create(call, {
        kind: "fine_tuning_job",
        model,
        reads,
        idempotencyKey,
        fingerprint: [body],
        prepare: prepare(call.operation, reads)
      })
    })
  }
})
