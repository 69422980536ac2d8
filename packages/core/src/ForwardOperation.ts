/** Calls that go to a deployment of a model as they are: embeddings, audio, images and the like. */
import type { ModelRequest } from "./ModelRequest.ts"
import type { ResponseReferences } from "./ResponseOperation.ts"
import type { ServedAnswer } from "./ServedAnswer.ts"

/** The body is JSON or a multipart form, as `contentType` says. */
export interface Forward extends ModelRequest, ResponseReferences {
  readonly _tag: "Forward"
  /** Relative to the account's base URL, such as `/embeddings`. */
  readonly path: string
  /** As the client wrote it, without its question mark. */
  readonly query: string
  readonly contentType: string
}

export interface ForwardAnswers {
  readonly Forward: ServedAnswer<"Forward">
}
