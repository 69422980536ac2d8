/** The Responses API as operations: https://platform.openai.com/docs/api-reference/responses */
import type { NamesJob, ObjectAnswer } from "./JobOperation.ts"
import type { FileReference, ModelRequest } from "./ModelRequest.ts"
import type { RelayedAnswer, ServedAnswer } from "./ServedAnswer.ts"

/** Something in a body that a provider keeps for everybody who has its account, such as a conversation. */
export interface SharedReference {
  readonly param: string
  readonly what: "conversation" | "vector store"
}

/** What a body of the Responses API names beside files. */
export interface ResponseReferences {
  /** `previous_response_id`, which the answer goes on from. */
  readonly previous: FileReference | null
  /** Containers that tools are to use again. */
  readonly containers: ReadonlyArray<FileReference>
  /** Containers that earlier tool calls were made in, which are fed back: a tool may go on in one. */
  readonly pastContainers: ReadonlyArray<FileReference>
  readonly shared: ReadonlyArray<SharedReference>
}

export interface CreateResponse extends ModelRequest, ResponseReferences {
  readonly _tag: "CreateResponse"
  /** Whether the provider keeps the response for later. */
  readonly store: boolean
  /** Whether the provider works on after the answer. */
  readonly background: boolean
  readonly idempotencyKey: string | null
}

export interface RetrieveResponse extends NamesJob {
  readonly _tag: "RetrieveResponse"
  readonly query: string
}

export interface ListInputItems extends NamesJob {
  readonly _tag: "ListInputItems"
  readonly query: string
}

export interface DeleteResponse extends NamesJob {
  readonly _tag: "DeleteResponse"
}

export interface CancelResponse extends NamesJob {
  readonly _tag: "CancelResponse"
}

/** Operations on a response that is stored. */
export type ResponseOperation = RetrieveResponse | ListInputItems | DeleteResponse | CancelResponse

export interface ResponseAnswers {
  readonly CreateResponse: ServedAnswer<"CreateResponse">
  readonly RetrieveResponse: RelayedAnswer<"RetrieveResponse">
  readonly ListInputItems: RelayedAnswer<"ListInputItems">
  readonly DeleteResponse: ObjectAnswer<"DeleteResponse">
  readonly CancelResponse: RelayedAnswer<"CancelResponse">
}
