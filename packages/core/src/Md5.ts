/**
 * MD5 of content that comes in chunks: a check against damage on the way, which clients of OpenAI's Uploads may ask
 * for. It protects from nothing else. The default runs everywhere; hosts provide their native one.
 */
import { md5 } from "@noble/hashes/legacy.js"
import { bytesToHex } from "@noble/hashes/utils.js"
import * as Context from "effect/Context"
import type { Hasher } from "./Sha256.ts"

const portable = (): Hasher => {
  const hash = md5.create()
  return { update: (chunk) => void hash.update(chunk), digest: () => bytesToHex(hash.digest()) }
}

export const Md5: Context.Reference<{ readonly hasher: () => Hasher }> = Context.Reference("@omnifile/core/Md5", {
  defaultValue: () => ({ hasher: portable })
})
