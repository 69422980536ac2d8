/** The words of a provider about a job, with our IDs in the place of its own. */
import type { Job } from "./Job.ts"
import { ProviderError, Rejected } from "./ProviderError.ts"

/** Our ID for each of the provider's. */
export type Terms = ReadonlyMap<string, string>

/** The IDs of a job, of what it reads and of what it has made. */
export const ofJob = ({ id, outputs, reads, remoteId }: Job): Terms => {
  const terms = new Map<string, string>()
  for (const read of reads) if (read.remoteId !== null) terms.set(read.remoteId, read.id)
  for (const output of outputs) terms.set(output.remoteId, output.id)
  if (remoteId !== null && id !== null) terms.set(remoteId, id)
  return terms
}

/** A text for a client. */
export const text = (terms: Terms, words: string): string => {
  let translated = words
  for (const [remoteId, id] of terms) if (remoteId !== "") translated = translated.replaceAll(remoteId, id)
  return translated
}

/** A refusal for a client; every other error has no words of the provider in it. */
export const error = (terms: Terms, failure: ProviderError): ProviderError => {
  const { account, call, maybeAccepted, reason } = failure
  if (reason._tag !== "Rejected") return failure
  const message = text(terms, reason.message)
  return message === reason.message
    ? failure
    : new ProviderError({ account, call, maybeAccepted, reason: new Rejected({ ...reason, message }) })
}
