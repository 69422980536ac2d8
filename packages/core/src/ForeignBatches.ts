/** Batches of providers that do not speak OpenAI's: how their input is written, and how their results are read. */
import type { StreamBody } from "./HttpTransport.ts"
import type { JsonObject } from "./Json.ts"
import type { Purpose } from "./ManagedFile.ts"
import type { BatchProtocol, ProviderCall, RemoteJob } from "./Provider.ts"
import type { Tokens } from "./Usage.ts"

/** One result, in OpenAI's terms. */
export interface ForeignResult {
  /** The key that the line was sent under. */
  readonly key: string
  readonly status: number
  /** The provider's own answer to the call. */
  readonly answer: JsonObject | null
  readonly error: { readonly code: string; readonly message: string } | null
  readonly usage: Tokens | null
}

/** How the lines of an input are put together. */
export interface InputFrame {
  readonly open: string
  readonly line: (key: string, body: JsonObject) => string
  readonly separator: string
  readonly close: string
}

export interface ForeignBatchSpec {
  /** The row's key, for providers that take a name of ours. */
  readonly key: string
  /** The provider's own name for the model. */
  readonly model: string
  readonly metadata: Readonly<Record<string, string>>
  /** OpenAI's completion window, such as `24h`. */
  readonly window: string
}

export interface ForeignBatches extends Omit<BatchProtocol, "create"> {
  /** Whether the input is a file of its own, or goes within the call. */
  readonly input: "file" | "inline"
  readonly maxRequests: number
  readonly maxBytes: number
  /** What a file of input is uploaded as. */
  readonly inputPurpose: Purpose
  readonly inputType: string
  readonly frame: InputFrame
  readonly create: (input: { readonly fileId: string } | StreamBody, spec: ForeignBatchSpec) => ProviderCall
  /** A part of the results, from the first (null) on; null when there is no more. */
  readonly results: (job: RemoteJob, cursor: string | null) => ProviderCall | null
  readonly result: (line: JsonObject) => ForeignResult
}
