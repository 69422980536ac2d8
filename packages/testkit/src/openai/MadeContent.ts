/** Content that an emulator makes, or takes out of a call. */
import { createHash } from "node:crypto"

/** What a file with this content says of it; `sha256` is lower-case hex. */
export const fieldsOf = (
  content: Uint8Array
): { readonly bytes: number; readonly sha256: string; readonly content: Uint8Array } => ({
  bytes: content.byteLength,
  sha256: createHash("sha256").update(content).digest("hex"),
  content
})

export const jsonLines = (values: ReadonlyArray<unknown>): Buffer =>
  Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(""))
