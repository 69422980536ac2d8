/**
 * A provider as a value: how one protocol family says upload, look up, delete and chat. Pure data in, pure
 * data out; `Upstream` does the calls. A vendor that speaks a known protocol differs in a few fields.
 */
import * as Result from "effect/Result"
import type * as Redacted from "effect/Redacted"
import type { Account } from "./Account.ts"
import type { Bytes } from "./Bytes.ts"
import type { ChatTranslator } from "./ChatTranslator.ts"
import * as FileCapabilities from "./FileCapabilities.ts"
import type { Capabilities, FileUse } from "./FileCapabilities.ts"
import type { ForeignBatches } from "./ForeignBatches.ts"
import type { RequestBody, TransportResponse } from "./HttpTransport.ts"
import type { JsonObject } from "./Json.ts"
import type { Purpose } from "./ManagedFile.ts"
import type { Tokens } from "./Usage.ts"

type Headers = Readonly<Record<string, string>>

/** One request, relative to the account's base URL. */
export interface ProviderCall {
  /** Names the call in errors and traces, such as `files.create`. */
  readonly name: string
  readonly method: "GET" | "POST" | "PUT" | "DELETE"
  readonly path: string
  /** An address that the provider gave, such as one for an upload, in the place of a path. It is not logged. */
  readonly url?: string | undefined
  /** Where the path leads: below the account's base URL, or to its bucket. Default: `api`. */
  readonly place?: "api" | "bucket" | undefined
  /** What the answer is read as. Default: JSON. */
  readonly reads?: "json" | "text" | undefined
  /** False for a signed address: it gets neither the credentials nor the account's headers. */
  readonly credentials?: boolean | undefined
  /** Statuses beside those of success that are an answer, such as a redirect that is followed by hand. */
  readonly accepts?: ReadonlyArray<number> | undefined
  readonly headers: Headers
  readonly body: RequestBody | null
  /** Whether doing it twice is the same as doing it once. */
  readonly idempotent: boolean
}

/** Content on its way to a provider. */
export interface FileUpload {
  readonly filename: string
  /** As its sender declared it. */
  readonly contentType: string
  /** What it is: as declared, or, where that says nothing, by its name or its first bytes. */
  readonly mediaType: string
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
  /** What bodies say for it, where that is not the ID. */
  readonly reference?: string | undefined
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

/** The answer to a call of an upload. A body that is no JSON is undefined, unless it was to be read as text. */
export interface UploadAnswer extends Pick<TransportResponse, "status" | "headers"> {
  readonly body: unknown
}

/**
 * An upload is a call, or several of which each follows from the answer to the one before. A call that makes no copy yet
 * says that it is idempotent: after one that is not, a copy may be there. When a try fails, the next one begins with the
 * first call.
 */
export type UploadStep =
  | {
      readonly _tag: "Call"
      readonly call: ProviderCall
      readonly next: (answer: UploadAnswer) => Decoded<UploadStep>
      /** A file that is there before this call and is no use without it: it is deleted if the upload fails. */
      readonly begun?: string | undefined
    }
  | { readonly _tag: "Made"; readonly file: RemoteFile }

/** An upload by one call, whose answer is the file. */
export const oneCall = (call: ProviderCall, decodeFile: (body: unknown) => Decoded<RemoteFile>): UploadStep => ({
  _tag: "Call",
  call,
  next: ({ body }) => Result.map(decodeFile(body), (file) => ({ _tag: "Made", file }))
})

/** How long a provider keeps a copy, in seconds: as it is told, within limits, or always the same. */
export type CopyLife =
  | { readonly _tag: "Settable"; readonly shortest: number; readonly longest: number }
  | { readonly _tag: "Fixed"; readonly seconds: number }

/** The Files API of a protocol family. */
export interface FileProtocol {
  /** The most bytes that a file may have in one request, or null for no known limit. */
  readonly maxBytes: number | null
  /** How larger files come. Without it they do not. */
  readonly parts?: PartProtocol | undefined
  /** Whether it is any use to upload such a file: some take files of one purpose, or one type, only. */
  readonly takes: (file: Pick<FileUpload, "contentType" | "filename" | "mediaType" | "purpose">) => boolean
  /** Null: copies are kept until they are deleted. */
  readonly life: CopyLife | null
  /** Between two looks at a copy that is being processed, in milliseconds: at first, and at most. */
  readonly poll: { readonly first: number; readonly most: number }
  readonly create: (upload: FileUpload) => UploadStep
  readonly retrieve: (id: string) => ProviderCall
  /** Null: what was uploaded is not given out again. */
  readonly content: ((id: string) => ProviderCall) | null
  readonly remove: (id: string) => ProviderCall
  /** Newest first where the provider can. */
  readonly list: (cursor: string | null) => ProviderCall
  readonly decodeFile: (body: unknown) => Decoded<RemoteFile>
  /** With what `list` was asked. */
  readonly decodePage: (body: unknown, cursor: string | null) => Decoded<RemotePage>
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
  /** The cursor is that of the page, for answers that do not tell the next one by themselves. */
  readonly decodePage: (body: unknown, cursor?: string | null) => Decoded<RemoteJobPage>
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

/**
 * What a refusal means beyond its status:
 *
 * - `gone`: a file that the call names is not there any more
 * - `quota`: the account has no room for more files
 * - `too_large`: another provider may take what this one does not
 * - `credentials`: the account's credentials are not accepted
 * - `file`: it cannot have a file that the call names, which may be there or not
 */
export const refusalMeanings = ["gone", "quota", "too_large", "credentials", "file"] as const
export type RefusalMeaning = (typeof refusalMeanings)[number]

/** A provider's refusal, read from its error answer. */
export interface Refusal {
  readonly message: string
  readonly type: string | null
  readonly param: string | null
  readonly code: string | null
  /** Null where the status says it all. */
  readonly meaning: RefusalMeaning | null
}

/** What is known of the call that was refused. */
export interface Refused {
  readonly status: number
  /** The name of the call, such as `files.create`. */
  readonly call: string
}

/** Where a call goes. */
export interface CallAt {
  readonly account: Account
  /** The provider's own name for the model. */
  readonly model: string
  /** The client's own headers that say what it knows of the API, and those of hooks. */
  readonly headers: Headers
}

/** A file in a part of a body. */
export interface PlacedFile {
  readonly use: FileUse
  /** What the body says for the copy. */
  readonly reference: string
  readonly filename: string
  readonly contentType: string
}

/** A request as it is about to go out. */
export interface SignedRequest {
  readonly call: ProviderCall
  readonly url: string
  /** Milliseconds since 1970. */
  readonly now: number
  /** The SHA-256 of the body in hex. Null for what goes to a bucket, where nothing may be read twice. */
  readonly digest: string | null
}

export interface Provider {
  /** What the configuration calls it, such as `openai`. */
  readonly id: string
  /** The headers that authenticate a call. They hold the secret. */
  readonly authorize: (account: Account, secret: Redacted.Redacted<string>) => Headers
  /**
   * The same where the headers depend on the request, as a signature does; `authorize` then says what can be said without
   * it. Null: they do not.
   */
  readonly sign:
    | ((request: SignedRequest, account: Account, secret: Redacted.Redacted<string>) => Promise<Headers>)
    | null
  /**
   * The provider as an account has it, or one model of the account, such as one that takes no files by reference. Null:
   * it is the same for all.
   */
  readonly specialise: ((account: Account, model: string | null) => Provider) | null
  /** The call as this account wants it, such as with its version of the API in the path. */
  readonly address: (call: ProviderCall, account: Account) => ProviderCall
  /** Null: there is no place for files, so they only come within calls. */
  readonly files: FileProtocol | null
  /** What files the calls may have, and how. */
  readonly capabilities: Capabilities
  /**
   * The part of a body that names a file as this provider wants it, where that is not OpenAI's form or the provider's own
   * wire. Null: the client's part stays but for the ID.
   */
  readonly filePart: ((part: JsonObject, file: PlacedFile) => JsonObject) | null
  /** A chat completion in OpenAI's wire format. Null here and below: the provider does not speak it. */
  readonly chatCompletion: ((body: RequestBody, at: CallAt) => ProviderCall) | null
  /** Chat completions and responses of OpenAI's wire on a provider that speaks another. */
  readonly chat: ChatTranslator | null
  /** A message in Anthropic's wire format. */
  readonly messages: ((body: RequestBody, at: CallAt) => ProviderCall) | null
  /** The size of such a message. */
  readonly countTokens: ((body: RequestBody, at: CallAt) => ProviderCall) | null
  /** Responses in OpenAI's wire format. */
  readonly responses: ResponseProtocol | null
  /** Batches in OpenAI's wire format. */
  readonly batches: BatchProtocol | null
  /** Batches that are made of OpenAI's in the provider's own. */
  readonly foreignBatches: ForeignBatches | null
  readonly fineTuning: FineTuningProtocol | null
  readonly forward: ((request: ForwardedRequest) => ProviderCall) | null
  readonly containerFiles: ContainerFileProtocol | null
  readonly decodeRefusal: (body: unknown, refused: Refused) => Refusal | null
}

/** What a provider has to say; it speaks nothing of the rest. */
export type Options<Files extends FileProtocol | null> = Pick<Provider, "authorize" | "decodeRefusal" | "id"> &
  Partial<Provider> & { readonly files: Files }

/** A provider of what it has. Without capabilities, calls may name every file that can be uploaded. */
export const make = <Files extends FileProtocol | null>(
  options: Options<Files>
): Provider & { readonly files: Files } => ({
  sign: null,
  specialise: null,
  address: (call) => call,
  capabilities: options.files === null ? FileCapabilities.none : FileCapabilities.byReference,
  filePart: null,
  chatCompletion: null,
  chat: null,
  messages: null,
  countTokens: null,
  responses: null,
  batches: null,
  foreignBatches: null,
  fineTuning: null,
  forward: null,
  containerFiles: null,
  ...options
})

/** What an account, or one model of it, has of a provider. */
export const of = (provider: Provider, account: Account, model: string | null = null): Provider =>
  provider.specialise?.(account, model) ?? provider
