/**
 * A route of the host's own with the hooks around it: the caller is known, the files in the body are checked and
 * resolved, deployments are chosen and tried one after the other; the call to the provider is the host's.
 */
import { Authenticator } from "@omnifile/core/Authenticator"
import { Unauthenticated } from "@omnifile/core/CallError"
import { Credentials } from "@omnifile/core/Credentials"
import { type Caller, ofCaller, type Principal } from "@omnifile/core/Principal"
import * as CoreWrap from "@omnifile/core/Wrap"
import * as WrappedOperation from "@omnifile/core/WrappedOperation"
import type { OperationName, WrapBody } from "@omnifile/core/WrappedOperation"
import { anthropicErrors, requestIdHeader } from "@omnifile/http/AnthropicErrors"
import { openAIErrors } from "@omnifile/http/ApiError"
import * as Endpoint from "@omnifile/http/Endpoint"
import * as JsonBody from "@omnifile/http/JsonBody"
import * as ProviderResponse from "@omnifile/http/ProviderResponse"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { GatewayOver } from "./Gateway.ts"
import { Attachment, type Locals } from "./NodeBridge.ts"
import type { Services } from "./Open.ts"

export type { WrapBody } from "@omnifile/core/WrappedOperation"

export interface Options<in Host> {
  /** What the route takes and answers: the body and the events of this API. */
  readonly operation: OperationName
  /** Who calls; null refuses the call with 401. Without it callers are known by the API keys of the configuration. */
  readonly caller?: ((host: Host) => Caller | null | Promise<Caller | null>) | undefined
}

/** Makes the call to the provider. `host` is what the framework knows of the request. */
export type Handler<in Body, in Host> = (
  attempt: CoreWrap.Attempt<Body>,
  host: Host
) => ReturnType<CoreWrap.Handler<Body>>

/**
 * Answers a request. Resolves when the response is closed; rejects, with the response untouched, with what the
 * handler or `caller` throws that is no failure of a provider.
 */
export type WrappedRoute<in Host> = (
  request: IncomingMessage,
  response: ServerResponse,
  host: Host,
  locals?: Pick<Locals, "body">
) => Promise<void>

/** What belongs to one request. */
interface Visit<out Host> {
  readonly host: Host
  readonly principal: Principal | null
  readonly response: ServerResponse
  /** Ends the request for us: the host deals with it. */
  readonly handOver: (cause: unknown) => void
}

const unknownCaller = new Unauthenticated({ message: "You are not signed in." })

/** Builds the route. The gateway ends what runs in it when it closes. */
export const make = <Body = WrapBody, Host = void>(
  gateway: GatewayOver<Services>,
  { caller, operation: name }: Options<Host>,
  handler: Handler<Body, Host>
): WrappedRoute<Host> => {
  /** Only this route attaches anything to the requests of its app. */
  const currentVisit = Effect.map(Attachment, (attachment) => attachment as Visit<Host>)

  /** In the place of API keys: whom the host has found the request to come from. */
  const known = Authenticator.of({
    authenticate: () =>
      Effect.flatMap(currentVisit, ({ principal }) =>
        principal === null ? Effect.fail(unknownCaller) : Effect.succeed(principal)
      )
  })

  /** Waits until the host has answered. */
  const leave = ({ handOver, response }: Visit<Host>, cause: unknown) =>
    Effect.callback<HttpServerResponse.HttpServerResponse>((resume) => {
      response.once("close", () => resume(Effect.succeed(HttpServerResponse.empty({ status: 500 }))))
      handOver(cause)
    })

  /** Clients of Messages know a request by a header of their own. */
  const named = (response: HttpServerResponse.HttpServerResponse, id: string) =>
    name === "messages" ? HttpServerResponse.setHeader(response, requestIdHeader, id) : response

  const app = Effect.gen(function* () {
    const endpoint = yield* Endpoint.make
    const json = yield* JsonBody.make()
    const credentials = yield* Credentials
    return endpoint.authenticated(
      Effect.fnUntraced(function* ({ headers, id, request, run }) {
        const visit = yield* currentVisit
        const body = yield* json.bytes({ headers, request })
        const said = { version: headers["anthropic-version"] ?? null, beta: headers["anthropic-beta"] ?? null }
        const operation = yield* Effect.fromResult(WrappedOperation.parse(name, body, said))
        const send = CoreWrap.send<Body>((attempt) => handler(attempt, visit.host), operation.stream, name, credentials)
        return yield* run(operation, { send }).pipe(
          Effect.map(({ response }) => named(ProviderResponse.passOn(response), id)),
          Effect.catchDefect((defect) =>
            defect instanceof CoreWrap.HandlerDefect ? leave(visit, defect.cause) : Effect.die(defect)
          )
        )
      }),
      name === "messages" ? anthropicErrors : openAIErrors
    )
  })

  const node = gateway.mount(caller === undefined ? app : Effect.provideService(app, Authenticator, known))

  return async (request, response, host, locals) => {
    const found = caller === undefined ? null : await caller(host)
    const principal = found === null ? null : ofCaller(found)
    await new Promise<void>((resolve, reject) => {
      const attachment: Visit<Host> = { host, principal, response, handOver: reject }
      void node(request, response, { ...locals, attachment }).then(resolve)
    })
  }
}
