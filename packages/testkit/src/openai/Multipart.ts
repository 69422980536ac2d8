/**
 * Streaming `multipart/form-data`: fields in any order, constant memory beyond a size.
 */
import { createHash } from "node:crypto"
import type { IncomingHttpHeaders } from "node:http"
import { Busboy } from "@fastify/busboy"
import type { BusboyFileStream, BusboyInstance } from "@fastify/busboy"

export interface FilePart {
  readonly name: string
  /** As sent, path components and percent-escapes included. */
  readonly filename: string
  readonly contentType: string
  readonly bytes: number
  /** Lower-case hex. */
  readonly sha256: string
  /** Absent when the file is larger than what is kept. */
  readonly content: Uint8Array | undefined
}

export interface Form {
  /** Names of all parts in the order of their arrival. A part without a name counts as `""`. */
  readonly partOrder: ReadonlyArray<string>
  readonly fields: ReadonlyArray<{ readonly name: string; readonly value: string }>
  readonly files: ReadonlyArray<FilePart>
  /** Why the body is not a well-formed form, if it is not. */
  readonly malformed: string | undefined
}

const maxFields = 1_000

/** Reads a body to its end. Never fails on what the body holds: `malformed` says what is wrong with it. */
export const readForm = async (
  body: AsyncIterable<Buffer>,
  options: { readonly headers: IncomingHttpHeaders; readonly keepBytes: number }
): Promise<Form> => {
  const partOrder: Array<string> = []
  const fields: Array<{ name: string; value: string }> = []
  const files: Array<FilePart> = []
  let malformed: string | undefined
  const fail = (reason: string): void => {
    malformed ??= reason
  }

  const parser = makeParser(options.headers)
  if (parser === undefined) {
    for await (const chunk of body) void chunk
    return { partOrder, fields, files, malformed: "the content type is not multipart/form-data with a boundary" }
  }

  parser.on("field", (name: string | undefined, value, _nameTruncated, valueTruncated) => {
    partOrder.push(name ?? "")
    fields.push({ name: name ?? "", value })
    if (valueTruncated) fail(`the field ${name ?? ""} is too long`)
  })
  parser.on("fieldsLimit", () => fail(`there are more than ${maxFields} fields`))
  parser.on("file", (name: string | undefined, stream, filename, _encoding, contentType) => {
    partOrder.push(name ?? "")
    collect(stream, options.keepBytes, (content) => {
      files.push({ name: name ?? "", filename, contentType, ...content })
    }).on("error", (error: Error) => fail(error.message))
  })
  const finished = settles(parser, ["finish", "error"])
  parser.on("error", (error) => fail(error instanceof Error ? error.message : String(error)))

  for await (const chunk of body) {
    // What follows a malformed part is read and dropped, so that the client can finish and read the refusal.
    if (malformed === undefined && !parser.write(chunk)) await settles(parser, ["drain", "finish", "error"])
  }
  parser.end()
  await finished
  return { partOrder, fields, files, malformed }
}

const makeParser = (headers: IncomingHttpHeaders): BusboyInstance | undefined => {
  const contentType = headers["content-type"]
  if (contentType === undefined || !/^multipart\/form-data\s*;/i.test(contentType)) return undefined
  try {
    return new Busboy({
      headers: { ...headers, "content-type": contentType },
      preservePath: true,
      limits: { fields: maxFields }
    })
  } catch {
    // The constructor throws for one reason only: there is no boundary.
    return undefined
  }
}

const collect = (
  stream: BusboyFileStream,
  keepBytes: number,
  done: (content: Pick<FilePart, "bytes" | "sha256" | "content">) => void
): BusboyFileStream => {
  const digest = createHash("sha256")
  let kept: Array<Buffer> | undefined = []
  let bytes = 0
  stream.on("data", (chunk: Buffer) => {
    digest.update(chunk)
    bytes += chunk.byteLength
    if (bytes > keepBytes) kept = undefined
    kept?.push(chunk)
  })
  stream.on("end", () => {
    done({ bytes, sha256: digest.digest("hex"), content: kept === undefined ? undefined : Buffer.concat(kept) })
  })
  return stream
}

const settles = (parser: BusboyInstance, events: ReadonlyArray<string>): Promise<void> =>
  new Promise((resolve) => {
    const settle = (): void => {
      for (const event of events) parser.removeListener(event, settle)
      resolve()
    }
    for (const event of events) parser.on(event, settle)
  })
