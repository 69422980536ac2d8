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
import { Credentials } from "./Credentials.ts"
import * as FailedAnswer from "./FailedAnswer.ts"
import * as HttpTransport from "./HttpTransport.ts"
import type { Decoded, Provider, ProviderCall, RemoteFile, UploadAnswer, UploadStep } from "./Provider.ts"
import * as ProviderError from "./ProviderError.ts"
import * as ProviderMetrics from "./ProviderMetrics.ts"
import * as Signing from "./Signing.ts"
import * as Span from "./Span.ts"

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
    /** Waits before another try: with jitter below a bound that grows with `tries`, and as long as the provider asks. */
    readonly pause: (tries: number, error: ProviderError.ProviderError) => Effect.Effect<void>
    /**
     * Makes the calls of an upload one after the other, with retries in the same way, each from the first call on.
     * `begun` is told of files that are there before the upload has come to its end.
     */
    readonly upload: <E, R>(
      target: ProviderAccount,
      first: Effect.Effect<UploadStep, E, R>,
      begun: (id: string) => void
    ) => Effect.Effect<RemoteFile, ProviderError.ProviderError | E, Exclude<R, Scope.Scope>>
  }
>()("@omnifile/core/Upstream") {}

/** A provider that asks for a longer pause is not asked again by the same call. Milliseconds. */
const longestPause = 30_000

const decoder = new TextDecoder()

const isLoopback = ({ hostname }: URL): boolean => hostname === "localhost" || /^(127\.|\[::1\])/.test(hostname)

/**
 * Whether an address that a provider gave may be called: https, or where the account itself is. One elsewhere never gets
 * the account's credentials.
 */
const isTrusted = ({ baseUrl }: Account, url: string, credentials: boolean): boolean => {
  const given = URL.parse(url)
  const own = URL.parse(baseUrl)
  if (given === null || own === null) return false
  if (given.origin === own.origin) return true
  return !credentials && (given.protocol === "https:" || (isLoopback(given) && isLoopback(own)))
}

const noHeaders: Readonly<Record<string, string>> = {}

const make = Effect.gen(function* () {
  const transport = yield* HttpTransport.HttpTransport
  const { secretOf } = yield* Credentials
  const signed = yield* Signing.make

  const sendWith = Effect.fnUntraced(function* (
    target: ProviderAccount,
    asked: ProviderCall,
    traceHeaders: Readonly<Record<string, string>>
  ) {
    const { account, provider } = target
    const call = provider.address(asked, account)
    const credentials = call.credentials !== false
    if (call.url !== undefined && !isTrusted(account, call.url, credentials)) {
      const message = "named an address that is not trusted"
      return yield* FailedAnswer.failed(target, call, new ProviderError.Unintelligible({ message }))
    }
    const secret = yield* secretOf(account)
    const isApi = call.place !== "bucket"
    const url = call.url ?? (isApi ? account.baseUrl : (account.bucket?.baseUrl ?? "")) + call.path
    const authorized = !credentials
      ? noHeaders
      : provider.sign === null
        ? provider.authorize(account, secret)
        : yield* signed(provider.sign, target, { call, url }, secret)
    const scope = yield* Effect.scope
    const response = yield* Effect.uninterruptibleMask((restore) =>
      restore(
        transport.send({
          method: call.method,
          url,
          headers: {
            ...(credentials && isApi ? account.headers : noHeaders),
            ...call.headers,
            ...(credentials ? traceHeaders : noHeaders),
            ...authorized
          },
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
    if (call.accepts?.includes(response.status) === true) return response
    return yield* FailedAnswer.classify(target, call, response, secret).pipe(
      Effect.ensuring(Effect.sync(response.cancel)),
      Effect.flatMap(Effect.fail)
    )
  }, Effect.tapError(ProviderMetrics.countFailure))

  /** A provider that takes part in a trace is told of the span that its call is. */
  const send: Upstream["Service"]["send"] = (target, call) =>
    Span.client(
      () => ({
        name: `provider ${call.name}`,
        attributes: { "omnifile.account": target.account.id, "http.request.method": call.method }
      }),
      (traceHeaders) => sendWith(target, call, traceHeaders)
    )

  /** Milliseconds that the provider asks to wait. */
  const askedPause = ({ reason }: ProviderError.ProviderError): number =>
    reason._tag === "Throttled" ? (reason.retryAfter ?? 0) : 0

  /** With full jitter below a bound that begins at 500 ms and doubles, and at least as long as the provider asks for. */
  const pause = Effect.fnUntraced(function* (tries: number, error: ProviderError.ProviderError) {
    const jitter = yield* Random.next
    const own = Math.min(longestPause, jitter * 250 * 2 ** tries)
    yield* Effect.sleep(Duration.millis(Math.ceil(Math.max(askedPause(error), own))))
  })

  /** What the answer to a call says. */
  const exchange = Effect.fnUntraced(function* <A>(
    target: ProviderAccount,
    call: ProviderCall,
    decode: (answer: UploadAnswer) => Decoded<A>
  ) {
    const { status, headers, body } = yield* send(target, call)
    const bytes = yield* Effect.tryPromise({
      try: () => Bytes.collect(body),
      catch: (cause) =>
        FailedAnswer.failed(target, call, new ProviderError.Unreachable({ timedOut: false, cause }), true)
    })
    const decoded = decode({ status, headers, body: FailedAnswer.parseAnswer(decoder.decode(bytes), call) })
    if (Result.isSuccess(decoded)) return decoded.success
    const message = FailedAnswer.redact(decoded.failure, target, call)
    return yield* FailedAnswer.failed(target, call, new ProviderError.Unintelligible({ message }), true)
  })

  /** Tries until it succeeds, or another try is not possible or of no use. */
  const persistent = Effect.fnUntraced(function* <A, E, R>(
    { account }: ProviderAccount,
    attempt: Effect.Effect<A, ProviderError.ProviderError | E, R>
  ) {
    for (let tries = 1; ; tries++) {
      const outcome = yield* Effect.result(Effect.scoped(attempt))
      if (Result.isSuccess(outcome)) return outcome.success
      const error = outcome.failure
      const again =
        error instanceof ProviderError.ProviderError &&
        error.retryable &&
        !error.maybeAccepted &&
        askedPause(error) <= longestPause &&
        tries < account.policy.attempts
      if (!again) return yield* Effect.fail(error)
      yield* pause(tries, error)
    }
  })

  const uploadOnce = Effect.fnUntraced(function* <E, R>(
    target: ProviderAccount,
    first: Effect.Effect<UploadStep, E, R>,
    begun: (id: string) => void
  ) {
    let step = yield* first
    while (step._tag === "Call") {
      if (step.begun !== undefined) begun(step.begun)
      step = yield* Effect.scoped(exchange(target, step.call, step.next))
    }
    return step.file
  })

  const request: Upstream["Service"]["request"] = (target, makeCall, decode) =>
    persistent(
      target,
      Effect.flatMap(makeCall, (call) => exchange(target, call, ({ body }) => decode(body)))
    )

  const upload: Upstream["Service"]["upload"] = (target, first, begun) =>
    persistent(target, uploadOnce(target, first, begun))

  return Upstream.of({ send, request, pause, upload })
})

export const layer: Layer.Layer<Upstream, never, HttpTransport.HttpTransport> = Layer.effect(Upstream, make)
