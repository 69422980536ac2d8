/**
 * Signatures of webhooks as in https://www.standardwebhooks.com: HMAC-SHA256 over ID, time and body, so that a
 * receiver knows who sent an event, and that nobody sends it again later. The webhook helpers of OpenAI's official
 * clients read it too.
 */
import { hmac } from "@noble/hashes/hmac.js"
import { sha256 } from "@noble/hashes/sha2.js"
import * as Base64 from "effect/encoding/Base64"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"

const prefix = "whsec_"

const encoder = new TextEncoder()

/** The key behind a secret: after `whsec_` it is base64, any other secret is taken as it stands. */
const keyOf = (secret: string): Uint8Array => {
  if (!secret.startsWith(prefix)) return encoder.encode(secret)
  return Result.getOrElse(Base64.decode(secret.slice(prefix.length)), () => encoder.encode(secret))
}

/** One delivery: the ID of the event, which is the same at every try, and the time of this try. */
export interface Delivery {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly at: number
  readonly body: string
}

/**
 * The headers that authenticate a delivery. With several secrets there are as many signatures, so that a receiver
 * can go over from an old one to a new one.
 */
export const headers = (
  secrets: ReadonlyArray<Redacted.Redacted<string>>,
  { at, body, id }: Delivery
): Readonly<Record<string, string>> => {
  const timestamp = String(Math.floor(at / 1000))
  const signed = encoder.encode(`${id}.${timestamp}.${body}`)
  const signatures = secrets.map((secret) => {
    const digest = hmac(sha256, keyOf(Redacted.value(secret)), signed)
    return `v1,${Base64.encode(digest)}`
  })
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures.join(" ") }
}
