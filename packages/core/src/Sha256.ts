/** SHA-256 of content that comes in chunks. The default runs everywhere; hosts provide their native one. */
import { sha256 } from "@noble/hashes/sha2.js"
import { bytesToHex } from "@noble/hashes/utils.js"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

export interface Hasher {
  readonly update: (chunk: Uint8Array) => void
  /** Lower-case hex. The hasher is used up. */
  readonly digest: () => string
}

export class Sha256 extends Context.Service<Sha256, { readonly hasher: () => Hasher }>()("@omnifile/core/Sha256") {}

export const portable: Sha256["Service"] = {
  hasher: () => {
    const hash = sha256.create()
    return { update: (chunk) => void hash.update(chunk), digest: () => bytesToHex(hash.digest()) }
  }
}

export const layerPortable: Layer.Layer<Sha256> = Layer.succeed(Sha256, portable)

const encoder = new TextEncoder()

export const hexOfText = (service: Sha256["Service"], text: string): string => {
  const hasher = service.hasher()
  hasher.update(encoder.encode(text))
  return hasher.digest()
}
