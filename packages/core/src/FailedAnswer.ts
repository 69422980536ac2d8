/** What an answer that is no success says, without any secret or address that the call carried. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Bytes from "./Bytes.ts"
import * as HttpTransport from "./HttpTransport.ts"
import type { ProviderCall } from "./Provider.ts"
import * as ProviderError from "./ProviderError.ts"
import type { ProviderAccount } from "./Upstream.ts"

/** Error answers are read up to this many bytes, and for this long. */
const errorBodyLimit = 64 * 1024
const errorBodyPatience = Duration.seconds(5)

/** Characters of an error answer that are passed on. */
const messageLimit = 4_000

const decoder = new TextDecoder()

/** `retry-after` in milliseconds: seconds, or a date. */
export const parseRetryAfter = (value: string | undefined, now: number): number | null => {
  if (value === undefined || value.trim() === "") return null
  const seconds = Number(value)
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000)
  const date = Date.parse(value)
  return Number.isNaN(date) ? null : Math.max(0, date - now)
}

/** What a text means as JSON; undefined if it means nothing. */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What the answer to a call says. */
export const parseAnswer = (text: string, { reads }: Pick<ProviderCall, "reads">): unknown =>
  reads === "text" ? text : parseJson(text)

/** At most `limit` bytes of a body; the rest is given up. */
const readText = (response: HttpTransport.TransportResponse, limit: number): Effect.Effect<string> =>
  Effect.tryPromise(async () => {
    const chunks: Array<Uint8Array> = []
    let length = 0
    for await (const chunk of response.body) {
      chunks.push(chunk)
      length += chunk.byteLength
      if (length >= limit) break
    }
    return decoder.decode(Bytes.concat(chunks))
  }).pipe(
    // A body that breaks off, or does not come, tells no more than its status; that is what is reported.
    Effect.timeout(errorBodyPatience),
    Effect.orElseSucceed(() => "")
  )

const addressesOf = (url: string | undefined): ReadonlyArray<string> => {
  const parsed = url === undefined ? null : URL.parse(url)
  return url === undefined || parsed === null ? [] : [url, parsed.host, parsed.hostname]
}

/** What a call carried that nobody is to see, beside the account's own secrets and address. */
export interface Hidden {
  readonly secret?: Redacted.Redacted<string> | undefined
  readonly url?: string | undefined
}

/** Text of a provider without any secret or address that the call carried. */
export const redact = (text: string, { account }: ProviderAccount, { secret, url }: Hidden = {}): string => {
  const hidden = [
    Redacted.value(account.apiKey),
    secret === undefined ? "" : Redacted.value(secret),
    ...Object.values(account.headers),
    ...addressesOf(account.baseUrl),
    ...addressesOf(account.bucket?.baseUrl),
    ...addressesOf(url)
  ]
  // In one pass, the longest first: one may be a part of another.
  const alternatives = hidden
    .filter((value) => value !== "")
    .sort((a, b) => b.length - a.length)
    .map((value) => value.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"))
  return text.replaceAll(new RegExp(alternatives.join("|"), "gi"), "[redacted]")
}

/** The parts of a call that decide what a failure means. */
type Named = Pick<ProviderCall, "idempotent" | "name">

/** The error of a call; `maybeAccepted` counts only for calls that must not be done twice. */
export const failed = (
  { account }: ProviderAccount,
  call: Named,
  reason: ProviderError.ProviderError["reason"],
  maybeAccepted = false
): ProviderError.ProviderError =>
  new ProviderError.ProviderError({
    account: account.id,
    call: call.name,
    reason,
    maybeAccepted: maybeAccepted && !call.idempotent
  })

/** Timed out before it had all of the request, not implemented, overloaded: whoever says so has done nothing. */
const untouched: ReadonlySet<number> = new Set([408, 501, 503, 529])

/** What an answer whose status is none of success means for the call. */
export const classify = Effect.fnUntraced(function* (
  target: ProviderAccount,
  call: Named & Pick<ProviderCall, "reads" | "url">,
  response: HttpTransport.TransportResponse,
  secret?: Redacted.Redacted<string>
) {
  const { status } = response
  if (status === 401) return failed(target, call, new ProviderError.Unauthorized({ status }))
  const throttled = Effect.map(Clock.currentTimeMillis, (now) => {
    const retryAfter = parseRetryAfter(HttpTransport.header(response, "retry-after"), now)
    return failed(target, call, new ProviderError.Throttled({ retryAfter }))
  })
  // Of files it may be said that there are too many of them, which no waiting helps.
  if (status === 429 && !call.name.startsWith("files.")) return yield* throttled
  const text = yield* readText(response, errorBodyLimit)
  const refusal = target.provider.decodeRefusal(parseAnswer(text, call), { status, call: call.name })
  const meaning = refusal?.meaning ?? null
  if (status === 429 && meaning !== "quota") return yield* throttled
  // Some say so of what the call names, and not of who calls.
  if (meaning === "credentials" || (status === 403 && meaning === null)) {
    return failed(target, call, new ProviderError.Unauthorized({ status }))
  }
  const hidden = { secret, url: call.url }
  const clean = (value: string | null) => (value === null ? null : redact(value, target, hidden))
  const message = redact(refusal?.message ?? text, target, hidden).slice(0, messageLimit)
  if (status >= 400 && status < 500 && status !== 408) {
    const { code, param, type } = refusal ?? { code: null, param: null, type: null }
    return failed(
      target,
      call,
      new ProviderError.Rejected({
        status,
        message,
        type: clean(type),
        param: clean(param),
        code: clean(code),
        meaning
      })
    )
  }
  // Any other fault may have come after the deed, or from a proxy that gave up waiting for it.
  return failed(target, call, new ProviderError.Faulty({ status, message }), !untouched.has(status))
})
