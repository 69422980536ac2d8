/** The cipher of `EncryptedBlobs`, by the platform's own cryptography. */
import { hkdf } from "@noble/hashes/hkdf.js"
import { sha256 } from "@noble/hashes/sha2.js"
import { utf8 } from "./binary.ts"

const magic = Uint8Array.of(0x4f, 0x46, 0x45, 0x01)
const keyIdSize = 16
const saltSize = 32

/** Plain bytes in a chunk that is not the last; in bytes, as all of these. */
export const chunkSize = 64 * 1024
export const tagSize = 16
export const sealedSize = chunkSize + tagSize
export const headerSize = magic.byteLength + keyIdSize + saltSize

export interface Cipher {
  readonly seal: (index: number, isLast: boolean, chunk: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>
  /** Rejected unless it is this very chunk. */
  readonly open: (index: number, isLast: boolean, sealed: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>
}

interface Key {
  readonly id: string
  readonly secret: Uint8Array
}

/** One for each chunk under one key, which no other content has. */
const nonceOf = (index: number, isLast: boolean): Uint8Array<ArrayBuffer> => {
  const nonce = new Uint8Array(12)
  const view = new DataView(nonce.buffer)
  view.setBigUint64(3, BigInt(index))
  view.setUint8(11, isLast ? 1 : 0)
  return nonce
}

/** The header and the name are what the key is derived from, so that both are authenticated with every chunk. */
const makeCipher = async (secret: Uint8Array, header: Uint8Array, name: string): Promise<Cipher> => {
  const bits = hkdf(sha256, secret, header, utf8(`omnifile/blob/v1/${name}`), 32)
  const key = await crypto.subtle.importKey("raw", Uint8Array.from(bits), "AES-GCM", false, ["encrypt", "decrypt"])
  const algorithm = (index: number, isLast: boolean) => ({ name: "AES-GCM", iv: nonceOf(index, isLast) })
  return {
    seal: async (index, isLast, chunk) =>
      new Uint8Array(await crypto.subtle.encrypt(algorithm(index, isLast), key, chunk)),
    open: async (index, isLast, sealed) =>
      new Uint8Array(await crypto.subtle.decrypt(algorithm(index, isLast), key, sealed))
  }
}

const idPattern = /^[A-Za-z0-9._-]{1,16}$/

const idField = (id: string): Uint8Array => {
  const field = new Uint8Array(keyIdSize)
  field.set(utf8(id))
  return field
}

const idOf = (header: Uint8Array): string =>
  new TextDecoder().decode(header.subarray(magic.byteLength, magic.byteLength + keyIdSize)).replace(/\0+$/, "")

export interface Keys {
  /** The header of new content under this name, and its cipher. */
  readonly create: (name: string) => Promise<{ readonly header: Uint8Array; readonly cipher: Cipher }>
  /** Rejected when the header is none, or names a key that is not there. */
  readonly open: (header: Uint8Array, name: string) => Promise<Cipher>
}

/** The first key is for new content. Throws a `TypeError` for what is not a key. */
export const importKeys = (keys: ReadonlyArray<Key>): Keys => {
  const [current] = keys
  if (current === undefined) throw new TypeError("there is no key")
  for (const { id, secret } of keys) {
    if (!idPattern.test(id)) throw new TypeError("a key ID has 1 to 16 letters, digits, dots, dashes and underscores")
    if (secret.byteLength !== 32) throw new TypeError(`key ${id} does not have 32 bytes`)
  }
  if (new Set(keys.map(({ id }) => id)).size < keys.length) throw new TypeError("two keys have one ID")
  return {
    create: async (name) => {
      const header = new Uint8Array(headerSize)
      header.set(magic)
      header.set(idField(current.id), magic.byteLength)
      crypto.getRandomValues(header.subarray(magic.byteLength + keyIdSize))
      return { header, cipher: await makeCipher(current.secret, header, name) }
    },
    open: async (header, name) => {
      if (header.byteLength !== headerSize || magic.some((byte, index) => header[index] !== byte)) {
        throw new TypeError("it is not encrypted")
      }
      const id = idOf(header)
      const key = keys.find((each) => each.id === id)
      if (key === undefined) throw new TypeError(`it is encrypted under the key ${id}, which is not configured`)
      return makeCipher(key.secret, header, name)
    }
  }
}
