/** Calls in OpenAI's wire on a provider that speaks another: the request goes out translated, and so comes the answer. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Bytes } from "./Bytes.ts"
import type { TransportResponse } from "./HttpTransport.ts"
import type { JsonObject } from "./Json.ts"
import type { ProviderCall } from "./Provider.ts"
import type { StorageError } from "./StorageError.ts"

/** How a file that a request names stands in what the provider gets. */
export interface FilePlacement {
  /** The ID in the request. */
  readonly id: string
  /** What the content is, which is not always what was declared. */
  readonly contentType: string
  readonly filename: string
  readonly as:
    | { readonly _tag: "Reference"; readonly value: string }
    /** The base64 of the content goes where the sentinel stands; the length is that of the content. */
    | {
        readonly _tag: "Inline"
        readonly sentinel: string
        readonly length: number
        readonly open: Effect.Effect<Bytes, StorageError, Scope.Scope>
      }
}

export interface TranslatedRequest {
  readonly wire: "chat" | "responses"
  /** The client's body. */
  readonly body: JsonObject
  /** The provider's own name for the model. */
  readonly model: string
  /** The client's name for the model, which the answer says. */
  readonly modelName: string
  /** By the ID in the request. */
  readonly files: ReadonlyMap<string, FilePlacement>
  /** A UUID, for the ID of the answer. */
  readonly id: string
  /** Milliseconds. */
  readonly now: number
}

/** All promises are rejected with `InvalidRequest` for what the provider has no words for. */
export interface ChatTranslator {
  /**
   * OpenAI's answer, whole or as events, made of the provider's. A stream that begins with an error has the status and
   * the body of a refused call. Rejects with whatever `send` rejects with, and with another error where the provider's
   * answer is none. To cancel the answer cancels the provider's.
   */
  readonly run: (
    request: TranslatedRequest,
    send: (call: ProviderCall) => Promise<TransportResponse>
  ) => Promise<TransportResponse>
  /** For batches: the provider's request of one call, whose body is the text of a JSON object. */
  readonly encode: (request: TranslatedRequest) => Promise<{ readonly path: string; readonly body: string }>
  /** For batches: OpenAI's answer to one call, of the provider's. */
  readonly decode: (request: TranslatedRequest, answer: JsonObject) => Promise<JsonObject>
  /** Fields of a request that mean nothing to the provider's models and are left out. */
  readonly ignored: (request: Pick<TranslatedRequest, "wire" | "body">) => ReadonlyArray<string>
}
