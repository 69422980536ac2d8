/**
 * Deterministic authenticated encryption under a secret that can be rotated: AES-SIV (RFC 5297) with a 512-bit key.
 *
 * A sealed message is one byte that names the key, the 16 bytes of the synthetic IV (which is also the tag) and the
 * ciphertext. The same message under the same secret always gives the same bytes, and nothing else is revealed but
 * the length.
 */
import { aessiv } from "@noble/ciphers/aes.js"
import { hkdf } from "@noble/hashes/hkdf.js"
import { sha256 } from "@noble/hashes/sha2.js"
import * as Result from "effect/Result"

import { concat } from "../Bytes.ts"
import { utf8 } from "./binary.ts"

const sealVersion = 1
const tagLength = 16

/** How much longer a sealed message is than the message. */
const overhead = 1 + tagLength

interface Key {
  readonly id: number
  readonly secret: Uint8Array
}

/** HKDF-SHA256; the purpose separates the keys of one secret from each other and from those of other uses. */
const derive = (secret: string, purpose: string, length: number): Uint8Array =>
  hkdf(sha256, utf8(secret), undefined, utf8(`omnifile/unified-id/v${sealVersion}/${purpose}`), length)

const deriveKey = (secret: string): Key => ({
  id: derive(secret, "key-id", 1)[0] ?? 0,
  secret: derive(secret, "aes-siv", 64)
})

/** What is authenticated with a message although it is not part of it. */
const associatedData = (key: Key, context: string): Uint8Array =>
  concat([utf8(context), Uint8Array.of(sealVersion, key.id)])

export interface Sealer {
  /** Seals under the current secret. */
  readonly seal: (context: string, message: Uint8Array) => Uint8Array
  /** The message, or `undefined` unless it was sealed for this context under the current or a previous secret. */
  readonly open: (context: string, sealed: Uint8Array) => Uint8Array | undefined
}

export const make = (current: string, previous: ReadonlyArray<string>): Sealer => {
  const currentKey = deriveKey(current)
  const keys = [currentKey, ...previous.map(deriveKey)]

  const seal: Sealer["seal"] = (context, message) =>
    concat([
      Uint8Array.of(currentKey.id),
      aessiv(currentKey.secret, associatedData(currentKey, context)).encrypt(message)
    ])

  const open: Sealer["open"] = (context, sealed) => {
    if (sealed.length < overhead) return undefined
    const ciphertext = sealed.subarray(1)
    for (const key of keys) {
      // One byte cannot tell all secrets apart, so another key may share it: the tag decides.
      if (key.id !== sealed[0]) continue
      const message = Result.try(() => aessiv(key.secret, associatedData(key, context)).decrypt(ciphertext))
      if (Result.isSuccess(message)) return message.success
    }
    return undefined
  }

  return { seal, open }
}
