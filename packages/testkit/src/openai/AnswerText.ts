/** What an emulated model says: which account answered, and what it saw of each file. */
import type { Account } from "./Account.ts"
import * as MadeContent from "./MadeContent.ts"

/** What a model knows of a file. */
export interface AttachedFile {
  readonly filename: string
  readonly bytes: number
  /** Lower-case hex. */
  readonly sha256: string
}

/** A file whose bytes are in the call. */
export const inlineFile = (base64: string, filename = "inline"): AttachedFile => {
  const { bytes, sha256 } = MadeContent.fieldsOf(Buffer.from(base64, "base64"))
  return { filename, bytes, sha256 }
}

export interface Seen {
  readonly model: string
  readonly files: ReadonlyArray<AttachedFile>
  /** The last text of the call. */
  readonly prompt: string | undefined
  /** Lines of the API's own. */
  readonly notes?: ReadonlyArray<string>
}

export const answerText = (account: Account, { files, model, notes = [], prompt }: Seen): string =>
  [
    `Answer from ${account.name} (model ${model}).`,
    ...notes,
    ...files.map(
      (file, index) => `File ${index + 1}: ${file.filename}, ${file.bytes} bytes, sha256 ${file.sha256.slice(0, 16)}.`
    ),
    ...(prompt === undefined ? [] : [`Prompt: ${prompt.slice(0, 200)}`])
  ].join("\n")
