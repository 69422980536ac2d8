/** How a provider speaks of a kind of job, and calls about one that is known. */
import type { Job, JobKind } from "./Job.ts"
import type { BatchProtocol, Provider, ProviderCall } from "./Provider.ts"
import { ProviderError, Rejected } from "./ProviderError.ts"

/** How a job that is there is spoken of. */
export type JobProtocol = Omit<BatchProtocol, "create">

/** Null where the provider has no such jobs, or they are of a kind that is not followed. */
export const of = (kind: JobKind, { batches, fineTuning, foreignBatches }: Provider): JobProtocol | null => {
  switch (kind) {
    case "batch":
      return batches ?? foreignBatches
    case "fine_tuning_job":
      return fineTuning
    case "response":
    case "container":
      return null
  }
}

/** How a job is made of a request in OpenAI's form; null where that is not the provider's. */
export const creatorOf = (kind: JobKind, { batches, fineTuning }: Provider): BatchProtocol["create"] | null => {
  const protocol = kind === "batch" ? batches : kind === "fine_tuning_job" ? fineTuning : null
  return protocol?.create ?? null
}

/** A provider's words about a job, with our IDs in the place of its own. */
export const inOurTerms = ({ id, reads, remoteId }: Pick<Job, "id" | "reads" | "remoteId">, words: string): string => {
  let translated = words
  for (const pair of [...reads, { id, remoteId }]) {
    if (pair.remoteId !== null && pair.id !== null) translated = translated.replaceAll(pair.remoteId, pair.id)
  }
  return translated
}

/** A refusal in our terms; every other error has no words of the provider in it. */
export const translate =
  (job: Pick<Job, "id" | "reads" | "remoteId">) =>
  (error: ProviderError): ProviderError => {
    const { reason } = error
    if (reason._tag !== "Rejected") return error
    const { code, meaning, param, status, type } = reason
    const message = inOurTerms(job, reason.message)
    return new ProviderError({
      account: error.account,
      call: error.call,
      reason: new Rejected({ status, message, type, param, code, meaning }),
      maybeAccepted: error.maybeAccepted
    })
  }

/** What makes a call about a job; undefined where there is no such call. */
export type CallOf = (protocol: JobProtocol, remoteId: string) => ProviderCall
