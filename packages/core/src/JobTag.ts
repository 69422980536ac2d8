/** Our own name of a job among the metadata that a provider keeps of it, so that a lost one is found again. */
import { isObject, type Json } from "./Json.ts"
import { metadataKey } from "./JobSync.ts"

/** As many pairs as a provider keeps. */
const mostPairs = 16

/** What is sent for what the client gave: with the job's key, if there is room for it. */
export const withTag = (metadata: Json | undefined, key: string): Readonly<Record<string, Json | undefined>> => {
  const pairs = isObject(metadata) ? metadata : {}
  return Object.keys(pairs).length < mostPairs ? { ...pairs, [metadataKey]: key } : pairs
}
