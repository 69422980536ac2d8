/**
 * The wire to providers: one HTTP exchange, no policy. What runs it (undici, fetch, ...) is a layer; retries,
 * classification and redaction are `Upstream`'s.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Bytes } from "./Bytes.ts"
import type { StorageError } from "./StorageError.ts"
import type { Tokens } from "./Usage.ts"

/** Of a body in pieces: what is in memory, or content of known length, which can be read once. */
export type BodyPiece = Uint8Array | { readonly bytes: Bytes; readonly length: number }

/** A streamed body of known length. */
export interface StreamBody {
  readonly bytes: Bytes
  readonly length: number
  /** The same bytes once more, for who has to know all of them before the first one goes out. */
  readonly reopen?: Effect.Effect<Bytes, StorageError, Scope.Scope> | undefined
  /** What the bytes are made of, for who has to change what is in memory of them. */
  readonly pieces?: ReadonlyArray<BodyPiece> | undefined
}

export type RequestBody = Uint8Array | StreamBody

/** Times in milliseconds. */
export interface TransportRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE"
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: RequestBody | null
  readonly connectTimeout: number
  readonly headersTimeout: number
  readonly idleTimeout: number
}

/** Sees a body on its way to who reads it. */
export interface Observer {
  readonly chunk: (bytes: Uint8Array) => void
  /** Nothing more comes, for whatever reason. Called once. */
  readonly end: () => void
}

export interface TransportResponse {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  /** The whole body, where it is so short that it came together with the head. */
  readonly complete: Uint8Array | null
  /** The body. Iterated once, or not at all and then cancelled. Throws when the connection breaks. */
  readonly body: Bytes
  /** Gives up the rest of the body and with it the connection. Does nothing after the end. */
  readonly cancel: () => void
  /**
   * Lets somebody look at the body, from its first byte on, if the wire can show it without an iteration in between.
   * To be called before the body is read, and once.
   */
  readonly observe?: ((observer: Observer) => void) | undefined
  /** What the call has used, once the body has been read, where that is known and the body may not say it. */
  readonly used?: (() => Tokens | null) | undefined
}

export class TransportError extends Schema.TaggedError<TransportError>()("TransportError", {
  /** How much of the request had gone out; after `all` the server may have acted on it. */
  sent: Schema.Literals(["nothing", "part", "all"]),
  timedOut: Schema.Boolean,
  cause: Schema.Defect()
}) {}

export class HttpTransport extends Context.Service<
  HttpTransport,
  {
    /**
     * Succeeds with the head of the answer, whatever its status. Redirects are not followed. An
     * interruption closes the connection.
     */
    readonly send: (request: TransportRequest) => Effect.Effect<TransportResponse, TransportError>
  }
>()("@omnifile/core/HttpTransport") {}

/** The first value of a response header. */
export const header = (response: TransportResponse, name: string): string | undefined => {
  const value = response.headers[name]
  return typeof value === "string" ? value : value?.[0]
}
