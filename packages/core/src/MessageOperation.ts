/** Anthropic's Messages API as operations: https://docs.anthropic.com/en/api/messages */
import type { FileReference, ModelRequest } from "./ModelRequest.ts"
import type { ServedAnswer } from "./ServedAnswer.ts"

/** What a client says of the API in headers. */
export interface MessageHeaders {
  /** `anthropic-version` */
  readonly version: string | null
  /** `anthropic-beta` */
  readonly beta: string | null
}

interface MessageRequest extends ModelRequest {
  readonly headers: MessageHeaders
  /** Containers that tools are to use again. */
  readonly containers: ReadonlyArray<FileReference>
}

export interface CreateMessage extends MessageRequest {
  readonly _tag: "CreateMessage"
}

export interface CountTokens extends MessageRequest {
  readonly _tag: "CountTokens"
}

export interface MessageAnswers {
  readonly CreateMessage: ServedAnswer<"CreateMessage">
  readonly CountTokens: ServedAnswer<"CountTokens">
}
