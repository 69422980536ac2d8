/**
 * Reading what clients send. How bytes come out of a request differs from host to host, and it is the hot
 * path, so each host provides its own way.
 */
import type { Bytes, InMemory } from "@omnifile/core/Bytes"
import type { CallError } from "@omnifile/core/CallError"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"

/** The file part of a form, while it comes in. */
export interface FilePart {
  readonly filename: string
  /** As the part says, or null if it does not. */
  readonly contentType: string | null
  readonly bytes: Bytes
}

export interface FormLimits {
  readonly fields: number
  readonly fieldNameBytes: number
  readonly fieldBytes: number
  /** The name of the part that is a file. Default: `file`. */
  readonly fileField?: string | undefined
}

/** A form, when all of it is read. */
export interface Form<A> {
  /** The values of each field, in the order in which they came. */
  readonly fields: ReadonlyMap<string, ReadonlyArray<string>>
  readonly file: { readonly filename: string; readonly contentType: string | null; readonly result: A } | null
}

export class RequestBodies extends Context.Service<
  RequestBodies,
  {
    /** The whole body. `TooLarge` beyond the limit, `InvalidRequest` if it breaks off. */
    readonly bytes: (request: HttpServerRequest, limit: number) => Effect.Effect<InMemory, CallError>
    /**
     * Reads a `multipart/form-data` body with at most one file, named as the limits say, anywhere among the fields.
     * `receive` gets the file as it comes; if it fails, the body is read to its end without it, within
     * reason, so that the client can read the answer.
     */
    readonly form: <A, R>(
      request: HttpServerRequest,
      limits: FormLimits,
      receive: (part: FilePart) => Effect.Effect<A, CallError, R>
    ) => Effect.Effect<Form<A>, CallError, R>
  }
>()("@omnifile/http/RequestBodies") {}
