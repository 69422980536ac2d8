/** SHA-256 by Node's own OpenSSL. */
import { Sha256 } from "@omnifile/core/Sha256"
import * as Layer from "effect/Layer"
import { createHash } from "node:crypto"

export const layer: Layer.Layer<Sha256> = Layer.succeed(Sha256, {
  hasher: () => {
    const hash = createHash("sha256")
    return { update: (chunk) => void hash.update(chunk), digest: () => hash.digest("hex") }
  }
})
