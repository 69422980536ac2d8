/** MD5 by Node's own OpenSSL. */
import { Md5 } from "@omnifile/core/Md5"
import * as Layer from "effect/Layer"
import { createHash } from "node:crypto"

export const layer: Layer.Layer<never> = Layer.succeed(Md5, {
  hasher: () => {
    const hash = createHash("md5")
    return { update: (chunk) => void hash.update(chunk), digest: () => hash.digest("hex") }
  }
})
