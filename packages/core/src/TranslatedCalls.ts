/**
 * Calls in OpenAI's wire on deployments whose provider speaks another: the body is read, the provider's `ChatTranslator`
 * makes the call with our transport, and what it answers is OpenAI's.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Scope from "effect/Scope"
import type { Deployment } from "./Account.ts"
import * as Bytes from "./Bytes.ts"
import { invalid, InvalidRequest } from "./CallError.ts"
import type { ChatTranslator, FilePlacement, TranslatedRequest } from "./ChatTranslator.ts"
import * as FailedAnswer from "./FailedAnswer.ts"
import type { DeploymentRequest, ModelCall } from "./Hooks.ts"
import type { TransportResponse } from "./HttpTransport.ts"
import * as InlineBody from "./InlineBody.ts"
import { parseObject } from "./Json.ts"
import type { ModelOperation } from "./Operation.ts"
import type { Provider, ProviderCall } from "./Provider.ts"
import { ProviderError, Unintelligible } from "./ProviderError.ts"
import { StorageError } from "./StorageError.ts"
import type { ProviderAccount } from "./Upstream.ts"
import * as Uuid from "./Uuid.ts"

/** Makes the calls that a translator asks for. */
export type Send = (call: ProviderCall) => Effect.Effect<TransportResponse, ProviderError, Scope.Scope>

/** What translates the operation for the provider; null where it speaks for itself, or not at all. */
export const translatorOf = (provider: Provider, { _tag }: ModelOperation): ChatTranslator | null => {
  switch (_tag) {
    case "ChatCompletion":
      return provider.chatCompletion === null ? provider.chat : null
    case "CreateResponse":
      return provider.responses === null ? provider.chat : null
    case "CreateMessage":
    case "CountTokens":
    case "Forward":
      return null
  }
}

const noFiles: ReadonlyMap<string, FilePlacement> = new Map()

const decoder = new TextDecoder()

const bodyOf = ({ operation }: ModelCall) =>
  Bytes.readJoined(operation.body, (bytes) => parseObject(decoder.decode(bytes)))

/** The answer of a deployment in OpenAI's wire. Closing the scope gives up what is left of it. */
export const answer = Effect.fn("TranslatedCalls.answer")(function* (
  translator: ChatTranslator,
  call: ModelCall,
  request: DeploymentRequest,
  deployment: Deployment,
  target: ProviderAccount,
  send: Send
): Effect.fn.Return<TransportResponse, ProviderError | InvalidRequest | StorageError, Scope.Scope> {
  const body = bodyOf(call)
  if (body === undefined) return yield* invalid("The body must be a JSON object.")
  const wire = call.operation._tag === "ChatCompletion" ? "chat" : "responses"
  yield* Effect.annotateCurrentSpan("omnifile.ignored", translator.ignored({ wire, body }))
  const translated: TranslatedRequest = {
    wire,
    body,
    model: deployment.model,
    modelName: deployment.modelName,
    files: request.placements ?? noFiles,
    id: yield* Uuid.make,
    now: yield* Clock.currentTimeMillis
  }
  const scope = yield* Effect.scope
  const run = yield* FiberSet.makeRuntimePromise<
    never,
    TransportResponse,
    InvalidRequest | ProviderError | StorageError
  >()
  const named = { name: wire === "chat" ? "chat.completions" : "responses.create", idempotent: false }
  const sendTranslated = ({ headers, ...outgoing }: ProviderCall) =>
    InlineBody.fill(outgoing.body, translated.files).pipe(
      Effect.flatMap((body) =>
        send({ ...outgoing, body, name: named.name, headers: { ...request.headers, ...headers } })
      ),
      Scope.provide(scope),
      run
    )
  const response = yield* Effect.tryPromise({
    try: () => translator.run(translated, sendTranslated),
    catch: (cause) =>
      cause instanceof ProviderError || cause instanceof InvalidRequest || cause instanceof StorageError
        ? cause
        : FailedAnswer.failed(target, named, new Unintelligible({ message: unintelligible(cause, target) }), true)
  })
  yield* Scope.addFinalizer(scope, Effect.sync(response.cancel))
  if (response.status >= 200 && response.status < 300) return response
  return yield* Effect.flatMap(FailedAnswer.classify(target, named, response), Effect.fail)
})

const unintelligible = (cause: unknown, target: ProviderAccount): string =>
  FailedAnswer.redact(cause instanceof Error ? cause.message : "it could not be translated", target).slice(0, 500)
