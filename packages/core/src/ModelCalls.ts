/**
 * Calls whose body goes to a deployment: with the deployment's own model name and IDs in it, and with the next
 * deployment when one fails. Once an answer has begun there is no other try.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Deployment } from "./Account.ts"
import * as BodyPieces from "./BodyPieces.ts"
import * as Bytes from "./Bytes.ts"
import type { CallError } from "./CallError.ts"
import { Failover } from "./Failover.ts"
import { type DeploymentRequest, Hooks, type ModelCall, stepsOf } from "./Hooks.ts"
import type { BodyPiece, RequestBody, TransportResponse } from "./HttpTransport.ts"
import { type BodyEdit, compose, type Edit, type EditContent } from "./JsonEdit.ts"
import type { ModelOperation } from "./Operation.ts"
import type { CallAt, Provider, ProviderCall } from "./Provider.ts"
import type { ProviderError } from "./ProviderError.ts"
import type { Served } from "./ServedAnswer.ts"
import * as Span from "./Span.ts"
import type { StorageError } from "./StorageError.ts"
import * as TranslatedCalls from "./TranslatedCalls.ts"
import { type ProviderAccount, Upstream } from "./Upstream.ts"

/** Makes one call to a provider. Succeeds with a 2xx answer whose body is still to be read. */
export type Send = (
  target: ProviderAccount,
  call: ProviderCall,
  deployment: Deployment
) => Effect.Effect<TransportResponse, ProviderError, Scope.Scope>

export class ModelCalls extends Context.Service<
  ModelCalls,
  {
    /**
     * Succeeds when a deployment answers with success. The scope gives up what is left of the answer. `send` makes
     * the calls, unless it is given by `Upstream`.
     */
    readonly serve: (call: ModelCall, send?: Send) => Effect.Effect<Served, CallError, Scope.Scope>
  }
>()("@omnifile/core/ModelCalls") {}

/** The edits and headers of a call before any hook has seen the deployment. */
const requestOf = ({ edits, operation }: ModelCall, deployment: Deployment): DeploymentRequest => {
  const { model, modelTokens } = operation
  // Of several tokens a provider may believe another one than we did: then all of them are replaced.
  const asItIs = deployment.model === model && modelTokens.length === 1
  const modelEdits = asItIs ? [] : modelTokens.map((token): Edit => ({ ...token, value: deployment.model }))
  return { edits: edits.length === 0 ? modelEdits : [...modelEdits, ...edits], headers: headersOf(operation) }
}

const noHeaders: Readonly<Record<string, string>> = {}

const headersOf = (operation: ModelOperation): Readonly<Record<string, string>> => {
  if (operation._tag !== "CreateMessage" && operation._tag !== "CountTokens") return noHeaders
  const { beta, version } = operation.headers
  return {
    ...(version === null ? {} : { "anthropic-version": version }),
    ...(beta === null ? {} : { "anthropic-beta": beta })
  }
}

/** The call in the provider's own protocol; undefined where it has none for the operation. */
const providerCall = (
  provider: Provider,
  operation: ModelOperation,
  body: RequestBody,
  at: CallAt
): ProviderCall | undefined => {
  const { headers } = at
  switch (operation._tag) {
    case "ChatCompletion":
      return withHeaders(provider.chatCompletion?.(body, at), headers)
    case "CreateResponse":
      return withHeaders(provider.responses?.create(body), headers)
    case "CreateMessage":
      return provider.messages?.(body, at)
    case "CountTokens":
      return provider.countTokens?.(body, at)
    case "Forward": {
      const { contentType, path, query } = operation
      return withHeaders(provider.forward?.({ path, query, contentType, body }), headers)
    }
  }
}

const withHeaders = (
  call: ProviderCall | undefined,
  headers: Readonly<Record<string, string>>
): ProviderCall | undefined =>
  call === undefined || headers === noHeaders ? call : { ...call, headers: { ...headers, ...call.headers } }

const make = Effect.gen(function* () {
  const failover = yield* Failover
  const hooks = yield* Hooks
  const upstream = yield* Upstream
  const preparations = stepsOf(hooks, "preDeployment")

  const attempt = Effect.fnUntraced(function* (
    call: ModelCall,
    send: Send,
    deployment: Deployment,
    target: ProviderAccount
  ) {
    let request = requestOf(call, deployment)
    for (const prepare of preparations) request = yield* prepare(call, deployment, request)
    const translator = TranslatedCalls.translatorOf(target.provider, call.operation)
    if (translator !== null) {
      const sendHere = (outgoing: ProviderCall) => send(target, outgoing, deployment)
      const response = yield* TranslatedCalls.answer(translator, call, request, deployment, target, sendHere)
      return { deployment, response, translated: true as const }
    }
    const body = yield* edited(call.operation.body, request.edits)
    const at = { account: target.account, model: deployment.model, headers: request.headers }
    const outgoing = providerCall(target.provider, call.operation, body, at)
    if (outgoing === undefined) return yield* Effect.die(new TypeError(`${target.provider.id} has no such call`))
    const response = yield* send(target, outgoing, deployment)
    return { deployment, response }
  })

  const serve = (call: ModelCall, send: Send) =>
    failover.run(
      call,
      call.operation.model,
      (deployment, target): ReturnType<typeof attempt> => attempt(call, send, deployment, target),
      // What works on after its answer would be there twice.
      { once: call.operation._tag === "CreateResponse" && call.operation.background }
    )

  return ModelCalls.of({
    serve: (call, send = upstream.send) => Span.onDemand(serve(call, send), "ModelCalls.serve")
  })
})

const isBytes = (piece: Uint8Array | EditContent): piece is Uint8Array => piece instanceof Uint8Array

/** The body with what the edits say. Content that they bring is opened now and read when it is sent. */
const edited = (
  body: Bytes.InMemory,
  edits: ReadonlyArray<BodyEdit>
): Effect.Effect<RequestBody, StorageError, Scope.Scope> => {
  const pieces = compose(body.chunks, edits)
  const [only] = pieces
  if (only instanceof Uint8Array && pieces.length === 1) return Effect.succeed(only)
  if (pieces.every(isBytes)) {
    const bytes = new Bytes.InMemory(pieces)
    return Effect.succeed({ bytes, length: bytes.length })
  }
  return Effect.map(
    Effect.forEach(pieces, (piece): Effect.Effect<BodyPiece, StorageError, Scope.Scope> =>
      isBytes(piece) ? Effect.succeed(piece) : Effect.map(piece.open, (bytes) => ({ bytes, length: piece.length }))
    ),
    BodyPieces.body
  )
}

export const layer: Layer.Layer<ModelCalls, never, Failover | Hooks | Upstream> = Layer.effect(ModelCalls, make)
