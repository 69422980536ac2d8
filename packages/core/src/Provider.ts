/**
 * A provider as a value: how one protocol family says upload, look up, delete and chat. Pure data in, pure
 * data out; `Upstream` does the calls. A vendor that speaks a known protocol differs in a few fields.
 */
import type * as Result from "effect/Result"
import type { Account } from "./Account.ts"
import type { Bytes } from "./Bytes.ts"
import type { RequestBody } from "./HttpTransport.ts"
import type { JsonObject } from "./Json.ts"
import type { Purpose } from "./ManagedFile.ts"
import type { Tokens } from "./Usage.ts"

/** One request, relative to the account's base URL. */
export interface ProviderCall {
  /** Names the call in errors and traces, such as `files.create`. */
  readonly name: string
  readonly method: "GET" | "POST" | "DELETE"
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: RequestBody | null
  /** Whether doing it twice is the same as doing it once. */
  readonly idempotent: boolean
}

/** Content on its way to a provider. */
export interface FileUpload {
  readonly filename: string
  readonly contentType: string
  readonly purpose: Purpose
  readonly bytes: Bytes
  readonly length: number
  /** Seconds from now until the provider may drop the copy, or null to keep it. */
  readonly expiresAfter: number | null
  /** Letters and digits that nobody can foresee, for a multipart boundary. */
  readonly nonce: string
}

/** A file as the provider describes it. Times in milliseconds since 1970. */
export interface RemoteFile {
  readonly id: string
  readonly filename: string | null
  readonly bytes: number | null
  readonly createdAt: number | null
  readonly expiresAt: number | null
  readonly state: "processing" | "ready" | "failed"
}

export interface RemotePage {
  readonly files: ReadonlyArray<RemoteFile>
  /** What to pass to `list` for the next page, or null at the end. */
  readonly next: string | null
}

/** Why an answer could not be understood. */
export type Decoded<A> = Result.Result<A, string>

/** Uploads of a protocol family that come in parts, for files that are too large for one request. */
export interface PartProtocol {
  /** The most bytes that a file may have. */
  readonly maxBytes: number
  /** The most bytes that a part may have. */
  readonly partBytes: number
  readonly begin: (file: Omit<FileUpload, "bytes" | "nonce">) => ProviderCall
  readonly add: (upload: string, part: Pick<FileUpload, "bytes" | "length" | "nonce">) => ProviderCall
  /** Makes a file of the parts, in this order. */
  readonly complete: (upload: string, parts: ReadonlyArray<string>) => ProviderCall
  readonly cancel: (upload: string) => ProviderCall
  /** The ID in the answer to `begin` or `add`. */
  readonly decodeId: (body: unknown) => Decoded<string>
  /** The file in the answer to `complete`. */
  readonly decodeCompleted: (body: unknown) => Decoded<RemoteFile>
}

/** The Files API of a protocol family. */
export interface FileProtocol {
  /** The most bytes that a file may have in one request, or null for no known limit. */
  readonly maxBytes: number | null
  /** How larger files come. Without it they do not. */
  readonly parts?: PartProtocol | undefined
  readonly create: (upload: FileUpload) => ProviderCall
  readonly retrieve: (id: string) => ProviderCall
  readonly content: (id: string) => ProviderCall
  readonly remove: (id: string) => ProviderCall
  /** Newest first where the provider can. */
  readonly list: (cursor: string | null) => ProviderCall
  readonly decodeFile: (body: unknown) => Decoded<RemoteFile>
  readonly decodePage: (body: unknown) => Decoded<RemotePage>
}

/** A job as the provider describes it. Times in milliseconds since 1970. */
export interface RemoteJob {
  readonly id: string
  /** The provider's own object, in its own terms. */
  readonly object: JsonObject
  /** Whether nothing will change any more. */
  readonly ended: boolean
  readonly createdAt: number | null
  /** The files that the job reads, by the field of the object that names each. */
  readonly inputs: ReadonlyArray<{ readonly field: string; readonly remoteId: string }>
  /** The files that the job has made so far. `role` is the field that names one, such as `result_files[0]`. */
  readonly outputs: ReadonlyArray<{ readonly role: string; readonly remoteId: string; readonly purpose: Purpose }>
  readonly metadata: Readonly<Record<string, string>>
  /** What has been used, where the object says so. */
  readonly tokens: Tokens | null
}

export interface RemoteJobPage {
  readonly jobs: ReadonlyArray<RemoteJob>
  /** What to pass to `list` for the next page, or null at the end. */
  readonly next: string | null
}

/** Batches of a protocol family. */
export interface BatchProtocol {
  readonly create: (body: JsonObject) => ProviderCall
  readonly retrieve: (id: string) => ProviderCall
  readonly cancel: (id: string) => ProviderCall
  /** Newest first. */
  readonly list: (cursor: string | null) => ProviderCall
  readonly decode: (body: unknown) => Decoded<RemoteJob>
  readonly decodePage: (body: unknown) => Decoded<RemoteJobPage>
}

/** Fine-tuning of a protocol family. A query is the client's own, without a question mark. */
export interface FineTuningProtocol extends BatchProtocol {
  readonly pause: (id: string) => ProviderCall
  readonly resume: (id: string) => ProviderCall
  readonly events: (id: string, query: string) => ProviderCall
  readonly checkpoints: (id: string, query: string) => ProviderCall
}

/** Stored responses of a protocol family. A query is the client's own, without a question mark. */
export interface ResponseProtocol {
  readonly create: (body: RequestBody) => ProviderCall
  readonly retrieve: (id: string, query: string) => ProviderCall
  readonly inputItems: (id: string, query: string) => ProviderCall
  readonly remove: (id: string) => ProviderCall
  readonly cancel: (id: string) => ProviderCall
}

/** A call of the protocol family that omnifile does not know by name. */
export interface ForwardedRequest {
  readonly path: string
  readonly query: string
  readonly contentType: string
  readonly body: RequestBody
}

/** The files that tools leave in a container. */
export interface ContainerFileProtocol {
  readonly retrieve: (container: string, id: string) => ProviderCall
  readonly content: (container: string, id: string) => ProviderCall
  readonly decodeFile: (body: unknown) => Decoded<RemoteFile>
}

type Headers = Readonly<Record<string, string>>

/** A provider's refusal, read from its error answer. */
export interface Refusal {
  readonly message: string
  readonly type: string | null
  readonly param: string | null
  readonly code: string | null
}

export interface Provider {
  /** What the configuration calls it, such as `openai`. */
  readonly id: string
  /** The headers that authenticate a call. They hold the secret. */
  readonly authorize: (account: Account) => Readonly<Record<string, string>>
  readonly files: FileProtocol
  /** A chat completion in OpenAI's wire format. Null here and below: the provider does not speak it. */
  readonly chatCompletion: ((body: RequestBody) => ProviderCall) | null
  /** A message in Anthropic's wire format, with the headers by which a client says what it knows of the API. */
  readonly messages: ((body: RequestBody, headers: Headers) => ProviderCall) | null
  /** The size of such a message. */
  readonly countTokens: ((body: RequestBody, headers: Headers) => ProviderCall) | null
  /** Responses in OpenAI's wire format. */
  readonly responses: ResponseProtocol | null
  readonly batches: BatchProtocol | null
  readonly fineTuning: FineTuningProtocol | null
  readonly forward: ((request: ForwardedRequest) => ProviderCall) | null
  readonly containerFiles: ContainerFileProtocol | null
  readonly decodeRefusal: (body: unknown) => Refusal | null
}
