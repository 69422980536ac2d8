/** Content whose size and digest are known once it has been read. */
import * as Effect from "effect/Effect"
import { type Bytes, inspected } from "./Bytes.ts"
import type { Sha256 } from "./Sha256.ts"
import { SourceFailed, StorageError } from "./StorageError.ts"

export interface Measure {
  readonly bytes: number
  /** In lower-case hexadecimal. */
  readonly sha256: string
}

export interface MeasuredBytes {
  readonly content: Bytes
  /** To be asked once, when the content has been read. */
  readonly measure: () => Measure
}

/** The same content, for one pass. */
export const of = (content: Bytes, sha256: Sha256["Service"]): MeasuredBytes => {
  const hasher = sha256.hasher()
  let bytes = 0
  return {
    content: inspected(content, (chunk) => {
      bytes += chunk.byteLength
      hasher.update(chunk)
    }),
    measure: () => ({ bytes, sha256: hasher.digest() })
  }
}

/** Reads what is stored under the key to its end. */
export const read = (key: string, { content, measure }: MeasuredBytes): Effect.Effect<Measure, StorageError> =>
  Effect.tryPromise({
    try: async () => {
      for await (const _ of content);
      return measure()
    },
    catch: (cause) => new StorageError({ backend: "content", method: "read", reason: new SourceFailed({ key, cause }) })
  })
