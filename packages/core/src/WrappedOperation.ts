/** The calls that a program may make itself: how their bodies are read. */
import type * as Result from "effect/Result"
import type { InMemory } from "./Bytes.ts"
import type { InvalidRequest } from "./CallError.ts"
import * as ChatRequest from "./ChatRequest.ts"
import type { Wire } from "./HostAnswer.ts"
import type { CreateMessage, MessageHeaders } from "./MessageOperation.ts"
import * as MessageRequest from "./MessageRequest.ts"
import type { ChatCompletion } from "./Operation.ts"
import type { CreateResponse } from "./ResponseOperation.ts"
import * as ResponseRequest from "./ResponseRequest.ts"

/** OpenAI's chat completions and Responses, and Anthropic's Messages. */
export type OperationName = Wire

export type WrappedOperation = ChatCompletion | CreateResponse | CreateMessage

/** What is known of every body. Give the type of your client's parameters where you want to know more. */
export interface WrapBody {
  readonly model: string
  readonly stream?: boolean | null | undefined
  readonly [field: string]: unknown
}

const noHeaders: MessageHeaders = { version: null, beta: null }

/** Reads the body of a call. `headers` are what a client of Messages says beside it. */
export const parse = (
  name: OperationName,
  body: InMemory,
  headers: MessageHeaders = noHeaders
): Result.Result<WrappedOperation, InvalidRequest> => {
  switch (name) {
    case "chat":
      return ChatRequest.parse(body)
    case "responses":
      return ResponseRequest.parse(body, null)
    case "messages":
      return MessageRequest.parseMessage(body, headers)
  }
}
