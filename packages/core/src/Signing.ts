/** Headers that depend on the whole of a request: what a provider's signature is made of is brought to it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Bytes from "./Bytes.ts"
import * as FailedAnswer from "./FailedAnswer.ts"
import type { RequestBody } from "./HttpTransport.ts"
import type { Provider, SignedRequest } from "./Provider.ts"
import * as ProviderError from "./ProviderError.ts"
import * as Sha256 from "./Sha256.ts"
import type { ProviderAccount } from "./Upstream.ts"

/** The content of a body, for one who reads it beside who sends it. */
const contentOf = (body: RequestBody | null) => {
  if (body === null) return Effect.succeed<Bytes.Bytes>(Bytes.fromArray())
  if (body instanceof Uint8Array) return Effect.succeed<Bytes.Bytes>(Bytes.fromArray(body))
  if (body.bytes instanceof Bytes.InMemory) return Effect.succeed<Bytes.Bytes>(body.bytes)
  return body.reopen ?? Effect.fail(new TypeError("the content can be read only once"))
}

export const make = Effect.gen(function* () {
  const service = Option.getOrElse(yield* Effect.serviceOption(Sha256.Sha256), () => Sha256.portable)

  const digestOf = Effect.fnUntraced(function* (body: RequestBody | null) {
    const content = yield* contentOf(body)
    return yield* Effect.tryPromise(async () => {
      const hasher = service.hasher()
      for await (const chunk of content) hasher.update(chunk)
      return hasher.digest()
    })
  }, Effect.scoped)

  /** Where no signature can be made, nothing is sent: the account is as good as unreachable. */
  return Effect.fnUntraced(
    function* (
      sign: NonNullable<Provider["sign"]>,
      target: ProviderAccount,
      { call, url }: Pick<SignedRequest, "call" | "url">,
      secret: Redacted.Redacted<string>
    ) {
      const now = yield* Clock.currentTimeMillis
      const digest = call.place === "bucket" ? null : yield* digestOf(call.body)
      return yield* Effect.tryPromise(() => sign({ call, url, now, digest }, target.account, secret))
    },
    (signed, _sign, target, { call }) =>
      Effect.mapError(signed, (cause) =>
        FailedAnswer.failed(target, call, new ProviderError.Unreachable({ timedOut: false, cause }))
      )
  )
})
