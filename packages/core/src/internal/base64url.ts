/**
 * Unpadded base64url (RFC 4648, section 5) with exactly one accepted spelling for each byte sequence.
 */
import * as Base64Url from "effect/encoding/Base64Url"
import * as Result from "effect/Result"

export const encode = (bytes: Uint8Array): string => Base64Url.encode(bytes)

/**
 * `undefined` unless `text` is what {@link encode} writes. The library's decoder also takes padding, line breaks and
 * set bits after the last byte; comparing with the encoder's spelling refuses them all.
 */
export const decode = (text: string): Uint8Array | undefined => {
  const bytes = Result.getOrUndefined(Base64Url.decode(text))
  return bytes !== undefined && encode(bytes) === text ? bytes : undefined
}
