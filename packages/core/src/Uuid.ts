/**
 * UUIDs in their canonical text form (36 lower-case characters), and version 7 UUIDs for new rows: the millisecond of
 * their making comes first, so that they sort by age and keep index inserts at the end.
 */
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** A source of version 7 UUIDs. */
export interface UuidGenerator {
  /**
   * A new UUID, greater than every earlier one of this generator as text and as bytes, also within one millisecond and
   * when the clock moves back. Its timestamp is the Effect `Clock`'s, or slightly ahead of it to keep that order.
   */
  readonly next: Effect.Effect<string>
}

/** A generator with its own order over a source of random bytes, which must return a fresh array of `size` bytes. */
export const makeGenerator = (randomBytes: (size: number) => Uint8Array): UuidGenerator => ({
  next: SecureRandom.make(randomBytes).uuidV7()
})

/**
 * The generator that {@link make} uses. The default draws from `globalThis.crypto` and is one for the whole process;
 * a test that needs known UUIDs provides its own.
 */
export const Uuids = Context.Reference<UuidGenerator>("@omnifile/core/Uuid", {
  defaultValue: () => makeGenerator(SecureRandom.randomBytesUnsafe)
})

/** A new version 7 UUID from {@link Uuids}. */
export const make: Effect.Effect<string> = Effect.flatMap(Uuids, (uuids) => uuids.next)

const canonicalForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const versionIndex = 14

/** The 16 bytes of a UUID of any version; none for text in another form, upper case included. */
export const toBytes = (uuid: string): Option.Option<Uint8Array> => {
  if (!canonicalForm.test(uuid)) return Option.none()
  const digits = uuid.replaceAll("-", "")
  const bytes = new Uint8Array(16)
  for (let index = 0; index < 16; index++) {
    bytes[index] = Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16)
  }
  return Option.some(bytes)
}

const hexadecimal = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

/** The canonical text of 16 bytes; none for any other number of bytes. */
export const fromBytes = (bytes: Uint8Array): Option.Option<string> => {
  if (bytes.length !== 16) return Option.none()
  let digits = ""
  for (const byte of bytes) digits += hexadecimal[byte]
  return Option.some(
    `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}`
  )
}

/** The version 8 UUID of a digest in hex, of which it takes the first 16 bytes. */
export const fromDigest = (digest: string): string => {
  const variant = ((Number.parseInt(digest.charAt(16), 16) & 0x3) | 0x8).toString(16)
  const groups = [digest.slice(0, 8), digest.slice(8, 12), `8${digest.slice(13, 16)}`]
  return [...groups, `${variant}${digest.slice(17, 20)}`, digest.slice(20, 32)].join("-")
}

/** When a version 7 UUID was made, in milliseconds since the Unix epoch; none for other versions and other text. */
export const timestampMillis = (uuid: string): Option.Option<number> =>
  canonicalForm.test(uuid) && uuid[versionIndex] === "7"
    ? Option.some(Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16))
    : Option.none()
