/**
 * A provider as a value: how one protocol family says upload, look up, delete and chat. Pure data in, pure
 * data out; `Upstream` does the calls. A vendor that speaks a known protocol differs in a few fields.
 */
import type * as Result from "effect/Result"
import type { Account } from "./Account.ts"
import type { Bytes } from "./Bytes.ts"
import type { RequestBody } from "./HttpTransport.ts"
import type { Purpose } from "./ManagedFile.ts"

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

/** The Files API of a protocol family. */
export interface FileProtocol {
  /** The most bytes that a file may have, or null for no known limit. */
  readonly maxBytes: number | null
  readonly create: (upload: FileUpload) => ProviderCall
  readonly retrieve: (id: string) => ProviderCall
  readonly content: (id: string) => ProviderCall
  readonly remove: (id: string) => ProviderCall
  /** Newest first where the provider can. */
  readonly list: (cursor: string | null) => ProviderCall
  readonly decodeFile: (body: unknown) => Decoded<RemoteFile>
  readonly decodePage: (body: unknown) => Decoded<RemotePage>
}

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
  /** A chat completion in OpenAI's wire format. */
  readonly chatCompletion: (body: RequestBody) => ProviderCall
  readonly decodeRefusal: (body: unknown) => Refusal | null
}
