/**
 * Calls to providers: the one place for credentials, timeouts, retries, classification of errors and
 * redaction.
 *
 * A call that may have been accepted is never repeated here unless it is idempotent: what to do about it is
 * for who knows the call (see `ProviderError.maybeAccepted`).
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type { Account } from "./Account.ts"
import * as Bytes from "./Bytes.ts"
import * as FailedAnswer from "./FailedAnswer.ts"
import * as HttpTransport from "./HttpTransport.ts"
import type { Decoded, Provider, ProviderCall } from "./Provider.ts"
import * as ProviderError from "./ProviderError.ts"
import * as ProviderMetrics from "./ProviderMetrics.ts"

/** An account together with the protocol that it speaks. */
export interface ProviderAccount {
  readonly account: Account
  readonly provider: Provider
}

export class Upstream extends Context.Service<
  Upstream,
  {
    /**
     * One try. Succeeds with a 2xx answer whose body is still to be read; closing the scope gives up what
     * is left of it.
     */
    readonly send: (
      target: ProviderAccount,
      call: ProviderCall
    ) => Effect.Effect<HttpTransport.TransportResponse, ProviderError.ProviderError, Scope.Scope>
    /**
     * Calls, with retries as far as the account's policy and the call's nature allow, and decodes the JSON
     * answer. `call` is evaluated for every try, so that a body can be opened anew in the try's own scope.
     */
    readonly request: <A, E, R>(
      target: ProviderAccount,
      call: Effect.Effect<ProviderCall, E, R>,
      decode: (body: unknown) => Decoded<A>
    ) => Effect.Effect<A, ProviderError.ProviderError | E, Exclude<R, Scope.Scope>>
  }
>()("@omnifile/core/Upstream") {}

/** A provider that asks for a longer pause is not asked again by the same call. Milliseconds. */
const longestPause = 30_000

const decoder = new TextDecoder()

const make = Effect.gen(function* () {
  const transport = yield* HttpTransport.HttpTransport

  const send = Effect.fnUntraced(function* (target: ProviderAccount, call: ProviderCall) {
    const { account, provider } = target
    const scope = yield* Effect.scope
    const response = yield* Effect.uninterruptibleMask((restore) =>
      restore(
        transport.send({
          method: call.method,
          url: account.baseUrl + call.path,
          headers: { ...account.headers, ...call.headers, ...provider.authorize(account) },
          body: call.body,
          connectTimeout: account.policy.connectTimeout,
          headersTimeout: account.policy.headersTimeout,
          idleTimeout: account.policy.idleTimeout
        })
      ).pipe(
        Effect.mapError(({ cause, sent, timedOut }) =>
          FailedAnswer.failed(target, call, new ProviderError.Unreachable({ timedOut, cause }), sent === "all")
        ),
        Effect.tap((answer) =>
          answer.complete === null ? Scope.addFinalizer(scope, Effect.sync(answer.cancel)) : Effect.void
        )
      )
    )
    if (response.status >= 200 && response.status < 300) return response
    return yield* FailedAnswer.classify(target, call, response).pipe(
      Effect.ensuring(Effect.sync(response.cancel)),
      Effect.flatMap(Effect.fail)
    )
  }, Effect.tapError(ProviderMetrics.countFailure))

  /** Milliseconds that the provider asks to wait. */
  const askedPause = ({ reason }: ProviderError.ProviderError): number =>
    reason._tag === "Throttled" ? (reason.retryAfter ?? 0) : 0

  /** With full jitter below a bound that begins at 500 ms and doubles, and at least as long as the provider asks for. */
  const pause = Effect.fnUntraced(function* (tries: number, error: ProviderError.ProviderError) {
    const jitter = yield* Random.next
    const own = Math.min(longestPause, jitter * 250 * 2 ** tries)
    yield* Effect.sleep(Duration.millis(Math.ceil(Math.max(askedPause(error), own))))
  })

  const request: Upstream["Service"]["request"] = Effect.fnUntraced(function* <A, E, R>(
    target: ProviderAccount,
    makeCall: Effect.Effect<ProviderCall, E, R>,
    decode: (body: unknown) => Decoded<A>
  ) {
    for (let tries = 1; ; tries++) {
      const outcome = yield* Effect.scoped(
        Effect.gen(function* () {
          const call = yield* makeCall
          const response = yield* send(target, call)
          const body = yield* Effect.tryPromise({
            try: () => Bytes.collect(response.body),
            catch: (cause) =>
              FailedAnswer.failed(target, call, new ProviderError.Unreachable({ timedOut: false, cause }), true)
          })
          const decoded = decode(FailedAnswer.parseJson(decoder.decode(body)))
          if (Result.isSuccess(decoded)) return decoded.success
          return yield* FailedAnswer.failed(
            target,
            call,
            new ProviderError.Unintelligible({ message: FailedAnswer.redact(decoded.failure, target) }),
            true
          )
        })
      ).pipe(Effect.result)
      if (Result.isSuccess(outcome)) return outcome.success
      const error = outcome.failure
      const again =
        error instanceof ProviderError.ProviderError &&
        error.retryable &&
        !error.maybeAccepted &&
        askedPause(error) <= longestPause &&
        tries < target.account.policy.attempts
      if (!again) return yield* Effect.fail(error)
      yield* pause(tries, error)
    }
  })

  return Upstream.of({ send, request })
})

export const layer: Layer.Layer<Upstream, never, HttpTransport.HttpTransport> = Layer.effect(Upstream, make)
