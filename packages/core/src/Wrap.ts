/**
 * Hooks around a handler of the host's own: the host makes the call to the provider, with the deployment that was
 * chosen and the body that was made ready for it; candidates, filters and the next one after a failure are ours.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type { Deployment } from "./Account.ts"
import * as Bytes from "./Bytes.ts"
import type { CredentialSource } from "./Credentials.ts"
import * as FailedAnswer from "./FailedAnswer.ts"
import * as HostAnswer from "./HostAnswer.ts"
import * as HostFailure from "./HostFailure.ts"
import type { RequestBody } from "./HttpTransport.ts"
import type { Send } from "./ModelCalls.ts"
import type { ProviderCall } from "./Provider.ts"
import { type ProviderError, Unreachable } from "./ProviderError.ts"
import type { ProviderAccount } from "./Upstream.ts"

/** The account that a deployment is on, with its credentials in clear: the host needs them for the call. */
export interface AttemptAccount {
  readonly id: string
  /** The protocol family, such as `openai`. */
  readonly provider: string
  /** Without a trailing slash. */
  readonly baseUrl: string
  /** The account's key, or the token that stands in its place now: ask the next attempt, and keep none. */
  readonly apiKey: string
  /** The same as the headers by which the provider knows who calls. */
  readonly authorization: Readonly<Record<string, string>>
  /** Headers that this account needs beside the credentials. */
  readonly headers: Readonly<Record<string, string>>
}

/** One try of a call, at one deployment. */
export interface Attempt<out Body> {
  readonly deployment: Deployment
  readonly account: AttemptAccount
  /** The body of the call, with the deployment's own model name and file IDs in it. */
  readonly body: Body
  /** The same as bytes, of which nothing has changed but that. */
  readonly bytes: Uint8Array
  /** Headers of the protocol, beside the credentials. Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Aborts when the client has gone, or the call is given up. */
  readonly signal: AbortSignal
}

/** Makes the call. What it throws about the provider lets the next deployment try. */
export type Handler<in Body> = (attempt: Attempt<Body>) => Promise<HostAnswer.HostAnswer> | HostAnswer.HostAnswer

/** A handler's mistake, which is the host's to deal with: a defect of the call. */
export class HandlerDefect extends Error {
  override readonly name = "HandlerDefect"

  constructor(cause: unknown) {
    super("The handler of a wrapped call failed", { cause })
  }
}

/** The body of an attempt: parsed when somebody looks at it, since many pass the bytes on. */
class WrappedAttempt<Body> implements Attempt<Body> {
  readonly deployment: Deployment
  readonly account: AttemptAccount
  readonly bytes: Uint8Array
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  #body: Body | undefined

  constructor({ account, bytes, deployment, headers, signal }: Omit<Attempt<Body>, "body">) {
    this.deployment = deployment
    this.account = account
    this.bytes = bytes
    this.headers = headers
    this.signal = signal
  }

  get body(): Body {
    return (this.#body ??= JSON.parse(new TextDecoder().decode(this.bytes)) as Body)
  }
}

const accountOf = ({ account, provider }: ProviderAccount, secret: Redacted.Redacted<string>): AttemptAccount => ({
  id: account.id,
  provider: account.provider,
  baseUrl: account.baseUrl,
  apiKey: Redacted.value(secret),
  authorization: provider.authorize(account, secret),
  headers: account.headers
})

const bytesOf = (body: RequestBody | null): Promise<Uint8Array> =>
  body instanceof Uint8Array ? Promise.resolve(body) : Bytes.collect(body?.bytes ?? Bytes.fromArray())

/** The attempt that a call to a provider stands for. `secret` is what the account's calls carry now. */
export const attemptOf = <Body>(
  target: ProviderAccount,
  { body, headers }: ProviderCall,
  deployment: Deployment,
  signal: AbortSignal,
  secret: Redacted.Redacted<string>
): Effect.Effect<Attempt<Body>> =>
  Effect.promise(async () => {
    const bytes = await bytesOf(body)
    return new WrappedAttempt<Body>({ deployment, account: accountOf(target, secret), bytes, headers, signal })
  })

/**
 * A handler in the place of the wire. `stream` is whether the client asked for events. The scope aborts the
 * attempt's signal and gives up what is left of the answer. An account without a secret fails as if its provider did.
 */
export const send =
  <Body>(handler: Handler<Body>, stream: boolean, wire: HostAnswer.Wire, { secretOf }: CredentialSource): Send =>
  (target, call, deployment) =>
    Effect.gen(function* () {
      const controller = new AbortController()
      const scope = yield* Effect.scope
      yield* Scope.addFinalizer(
        scope,
        Effect.sync(() => controller.abort())
      )
      const secret = yield* secretOf(target.account)
      const failure = (thrown: unknown): Effect.Effect<ProviderError> => {
        const told = HostFailure.of(thrown)
        switch (told._tag) {
          case "Answered":
            return FailedAnswer.classify(target, call, told.response, secret)
          case "Unreachable": {
            const reason = new Unreachable({ timedOut: told.timedOut, cause: thrown })
            return Effect.succeed(FailedAnswer.failed(target, call, reason, told.sent))
          }
          case "Mistake":
            return Effect.die(new HandlerDefect(thrown))
        }
      }
      const attempt = yield* attemptOf<Body>(target, call, deployment, controller.signal, secret)
      const response = yield* Effect.tryPromise({
        try: async () => {
          const answer = await HostAnswer.toResponse(await handler(attempt), stream, wire)
          // Too late: nobody is there any more who would give it up.
          if (controller.signal.aborted) answer.cancel()
          return answer
        },
        catch: (thrown) => ({ thrown })
      }).pipe(
        Effect.onInterrupt(() => Effect.sync(() => controller.abort())),
        Effect.catch(({ thrown }) => Effect.flatMap(failure(thrown), Effect.fail))
      )
      if (response.status >= 200 && response.status < 300) {
        yield* Scope.addFinalizer(scope, Effect.sync(response.cancel))
        return response
      }
      return yield* FailedAnswer.classify(target, call, response, secret).pipe(
        Effect.ensuring(Effect.sync(response.cancel)),
        Effect.flatMap(Effect.fail)
      )
    })
