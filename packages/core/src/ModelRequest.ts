/** What omnifile knows of any call whose body goes to a model as the client wrote it, but for a few places. */
import type { InMemory } from "./Bytes.ts"

/** A place of a body, in bytes. */
export interface Token {
  readonly start: number
  readonly end: number
  /** What stands there is no JSON: its replacement is written as it is. */
  readonly raw?: true | undefined
}

/** A file ID in a request body: where it stands and what it says. */
export interface FileReference extends Token {
  readonly id: string
  /** Such as `messages[2].content[0].file.file_id`. */
  readonly param: string
  /**
   * False where a provider's ID may stand that is none of ours, as in an answer that is fed back: it is replaced if it
   * is a file that the caller may use, and left alone else. True unless said.
   */
  readonly required?: boolean | undefined
}

export interface ModelRequest {
  /** The body as the client sent it. */
  readonly body: InMemory
  readonly model: string
  /** Every place where the body says `model`, so that a deployment's own name can stand there. */
  readonly modelTokens: ReadonlyArray<Token>
  readonly files: ReadonlyArray<FileReference>
  readonly stream: boolean
}
