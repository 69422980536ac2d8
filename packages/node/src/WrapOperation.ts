/** The operations that a route of the host's own can be: how their bodies are read, and what they look like. */
import type { CallError } from "@omnifile/core/CallError"
import * as ChatRequest from "@omnifile/core/ChatRequest"
import type { Wire } from "@omnifile/core/HostAnswer"
import type { ChatCompletion } from "@omnifile/core/Operation"
import * as JsonBody from "@omnifile/http/JsonBody"
import type { RequestBodies } from "@omnifile/http/RequestBodies"
import * as Effect from "effect/Effect"
import type { Headers } from "effect/http/Headers"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"

export type OperationName = "chat"

/** What is known of every body. Give the type of your client's parameters where you want to know more. */
export interface WrapBody {
  readonly model: string
  readonly stream?: boolean | null | undefined
  readonly [field: string]: unknown
}

export const wires: Readonly<Record<OperationName, Wire>> = { chat: "chat" }

/** Reads a request of the operation. */
export const read = Effect.fnUntraced(function* (
  _name: OperationName,
  request: HttpServerRequest,
  headers: Headers,
  bodies: RequestBodies["Service"],
  limit: number
): Effect.fn.Return<ChatCompletion, CallError> {
  return yield* Effect.fromResult(ChatRequest.parse(yield* JsonBody.read(request, headers, bodies, limit)))
})
