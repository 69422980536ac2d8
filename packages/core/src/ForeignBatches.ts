/**
 * Batches of providers whose own are none of OpenAI's: how their input is written, and how their results are read. Lines
 * go out under keys of ours, so that it does not matter what a provider allows in its own.
 */
import type { StreamBody } from "./HttpTransport.ts"
import type { JsonObject } from "./Json.ts"
import type { Purpose } from "./ManagedFile.ts"
import type { Decoded, ProviderCall, RemoteJob } from "./Provider.ts"

/** The pair of a job's metadata that tells us which row it belongs to. */
export const markKey = "omnifile_job"

/** What became of one line. */
export interface ForeignResult {
  /** The key that the line was sent under. */
  readonly key: string
  readonly status: number
  /** The provider's own answer to the call; null if there is none. */
  readonly answer: JsonObject | null
  readonly error: { readonly code: string; readonly message: string } | null
}

/** How the lines of an input are put together. */
export interface InputFrame {
  readonly open: string
  /** The body of a call to the endpoint in OpenAI's wire as a line of this one has it; null where a translator makes it. */
  readonly adapt: ((body: JsonObject, endpoint: string) => JsonObject) | null
  /** The body is the JSON of a call to the endpoint, in the provider's own wire. */
  readonly line: (key: string, body: string, endpoint: string) => string
  readonly separator: string
  readonly close: string
}

export interface ForeignBatchSpec {
  /** Tells the job from all others: for providers that keep a name, but no metadata with `markKey` in it. */
  readonly key: string
  /** The provider's own name for the model. */
  readonly model: string
  readonly endpoint: string
  /** At most 16 pairs, the one by which the job is found again among them. */
  readonly metadata: Readonly<Record<string, string>>
}

/** The input of a batch: a file that the provider has, or the requests themselves. */
export type ForeignInput =
  | { readonly _tag: "File"; readonly id: string }
  | { readonly _tag: "Inline"; readonly body: StreamBody }

/** A batch in OpenAI's terms, as far as its provider knows it. */
export interface ForeignJob extends RemoteJob {
  /** Where its results are; what these are called is between the protocol's own members. */
  readonly results: ReadonlyArray<string>
  /** How many requests the provider knows of; null while it does not say. */
  readonly requests: number | null
}

/** How results are read once a batch is over. */
export type ForeignResults =
  | {
      /** By calls whose answers are JSON Lines. */
      readonly _tag: "Lines"
      readonly calls: (job: ForeignJob) => ReadonlyArray<ProviderCall>
      /** Whether they are files of the account, which stay there until somebody deletes them. */
      readonly areFiles?: boolean | undefined
    }
  /** A page at a time, from the first (null) on. */
  | {
      readonly _tag: "Pages"
      readonly page: (id: string, cursor: string | null) => ProviderCall
      readonly decode: (
        body: unknown
      ) => Decoded<{ readonly results: ReadonlyArray<JsonObject>; readonly next: string | null }>
    }

export interface ForeignBatches {
  /** The endpoints that lines may call, of those that the provider's chat answers. */
  readonly endpoints: ReadonlyArray<string>
  readonly maxRequests: number
  /** Of the whole input as the provider gets it. */
  readonly maxBytes: number
  /** What a file of input is uploaded as. Null: the requests go within the call. */
  readonly inputFile: { readonly filename: string; readonly contentType: string; readonly purpose: Purpose } | null
  /** Whether a batch says which row it belongs to. */
  readonly marked: boolean
  readonly frame: InputFrame
  readonly create: (input: ForeignInput, spec: ForeignBatchSpec) => ProviderCall
  readonly retrieve: (id: string) => ProviderCall
  /** Its answer is not read. */
  readonly cancel: (id: string) => ProviderCall
  /** Newest first. */
  readonly list: (cursor: string | null) => ProviderCall
  readonly decode: (body: unknown) => Decoded<ForeignJob>
  /** The cursor is that of the page, for answers that do not tell the next one by themselves. */
  readonly decodePage: (
    body: unknown,
    cursor?: string | null
  ) => Decoded<{ readonly jobs: ReadonlyArray<ForeignJob>; readonly next: string | null }>
  readonly results: ForeignResults
  readonly result: (line: JsonObject) => Decoded<ForeignResult>
}
