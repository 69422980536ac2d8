/** A translated body on its way out: where it has a sentinel, the content of a file takes its place, in base64. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Base64 from "./Base64.ts"
import * as Bytes from "./Bytes.ts"
import { invalid, type InvalidRequest } from "./CallError.ts"
import type { FilePlacement } from "./ChatTranslator.ts"
import type { RequestBody } from "./HttpTransport.ts"
import type { StorageError } from "./StorageError.ts"

type Inline = Extract<FilePlacement["as"], { readonly _tag: "Inline" }>

interface Content {
  readonly id: string
  readonly as: Inline
}

const contentsOf = (files: ReadonlyMap<string, FilePlacement>): ReadonlyMap<string, Content> =>
  new Map(
    [...files.values()].flatMap(({ as, id }) => (as._tag === "Inline" ? [[as.sentinel, { id, as }] as const] : []))
  )

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** Refused if the content of a file has no place in it: whoever made the body has made something else of it. */
export const fill = (
  body: RequestBody | null,
  files: ReadonlyMap<string, FilePlacement>
): Effect.Effect<RequestBody | null, InvalidRequest | StorageError, Scope.Scope> => {
  const contents = contentsOf(files)
  if (contents.size === 0 || !(body instanceof Uint8Array)) return Effect.succeed(body)
  // The capturing group keeps the sentinels among the parts.
  const parts = decoder.decode(body).split(new RegExp(`(${[...contents.keys()].join("|")})`))
  const missing = [...contents].find(([sentinel]) => !parts.includes(sentinel))
  if (missing !== undefined) {
    const message = `The file ${missing[1].id} cannot be used: the model takes no such file within a call.`
    return Effect.fail(invalid(message, null, "file_not_available"))
  }
  const pieces = parts.map((part) => {
    const content = contents.get(part)
    if (content === undefined) {
      const bytes = encoder.encode(part)
      return { length: bytes.length, open: Effect.succeed<Bytes.Bytes>(Bytes.fromArray(bytes)) }
    }
    const { length, open } = content.as
    return { length: Base64.lengthOf(length), open: Effect.map(open, Base64.encode) }
  })
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  const opened = Effect.map(
    Effect.forEach(pieces, ({ open }) => open),
    Bytes.inSequence
  )
  return Effect.map(opened, (bytes) => ({ bytes, length, reopen: opened }))
}
