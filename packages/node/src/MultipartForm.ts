/**
 * Forms as they come in: Dicer (the parser inside busboy) cuts the parts, fields are collected, and the one
 * file is handed on as a stream with backpressure. Dicer rather than busboy itself, because busboy does not
 * tell a part without a type, or without a name, from others.
 */
import { Dicer } from "@fastify/busboy"
import { type CallError, invalid, TooLarge, UnsupportedMediaType } from "@omnifile/core/CallError"
import type { FilePart, Form, FormLimits } from "@omnifile/http/RequestBodies"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Readable } from "node:stream"
import * as PartHeaders from "./PartHeaders.ts"

/** Dicer drops what is beyond its limits without a word, so it is let read more than is accepted. */
const parserLimits = { maxHeaderPairs: PartHeaders.maxCount + 1, maxHeaderSize: 4 * PartHeaders.maxSize }

const boundaryOf = (contentType: string): string | undefined => {
  const match = /;\s*boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))/i.exec(contentType)
  return match?.[1] ?? match?.[2]
}

const ignore = (): void => {}

/** What is shown of a name that a client made up. */
const shown = (name: string): string => name.slice(0, 100)

interface OpenFile<A> {
  readonly filename: string
  readonly contentType: string | null
  readonly receiving: Fiber.Fiber<A, CallError>
}

/**
 * Reads a form from a body. It fails at the first thing that is wrong; what is left of the body is then
 * unread, and for the caller to drain.
 */
export const read = Effect.fnUntraced(function* <A, R>(
  body: Readable,
  contentType: string | undefined,
  limits: FormLimits,
  receive: (part: FilePart) => Effect.Effect<A, CallError, R>
): Effect.fn.Return<Form<A>, CallError, R> {
  if (contentType === undefined || !/^multipart\/form-data\b/i.test(contentType)) {
    return yield* new UnsupportedMediaType({ message: "Send the upload as multipart/form-data." })
  }
  const boundary = boundaryOf(contentType)
  if (boundary === undefined) return yield* invalid("The multipart boundary is missing or malformed.")

  const { fileField = "file" } = limits
  const context = yield* Effect.context<R>()
  const ended = yield* Deferred.make<void, CallError>()
  const fields = new Map<string, Array<string>>()
  const parser = new Dicer({ boundary, ...parserLimits })
  let file: OpenFile<A> | null = null
  let filePart: Readable | null = null
  let fieldCount = 0
  let openParts = 0
  let awaitsHeader = false
  let finished = false

  const fail = (error: CallError): void => void Deferred.doneUnsafe(ended, Effect.fail(error))
  const malformed = (): void => fail(invalid("The multipart body is malformed, or ends before its closing boundary."))
  const settle = (): void => {
    if (finished && openParts === 0) Deferred.doneUnsafe(ended, Effect.void)
  }

  const openFile = (part: Readable, filename: string, type: string | null): void => {
    if (file !== null) return fail(invalid(`There is more than one part \`${fileField}\`.`, fileField))
    const run = receive({ filename, contentType: type, bytes: part }).pipe(
      Effect.tapError((error) => Effect.sync(() => fail(error)))
    )
    filePart = part
    file = { filename, contentType: type, receiving: Effect.runForkWith(context)(run) }
  }

  const openField = (part: Readable, name: string): void => {
    if (++fieldCount > limits.fields) {
      return fail(new TooLarge({ message: `The form has more than ${limits.fields} fields.`, param: null }))
    }
    if (Buffer.byteLength(name) > limits.fieldNameBytes) {
      return fail(new TooLarge({ message: "The name of a field is too long.", param: shown(name) }))
    }
    const chunks: Array<Buffer> = []
    let length = 0
    part.on("data", (chunk: Buffer) => {
      length += chunk.length
      if (length <= limits.fieldBytes) chunks.push(chunk)
      else fail(new TooLarge({ message: `The field \`${shown(name)}\` is too long.`, param: shown(name) }))
    })
    part.on("end", () => {
      const values = fields.get(name)
      const value = Buffer.concat(chunks).toString("utf8")
      if (values === undefined) fields.set(name, [value])
      else values.push(value)
    })
  }

  parser.on("part", (part) => {
    // A part whose header did not end has neither a header nor an end.
    if (awaitsHeader) return malformed()
    awaitsHeader = true
    openParts++
    part.on("error", ignore)
    part.once("close", () => {
      openParts--
      settle()
    })
    part.on("header", (header) => {
      awaitsHeader = false
      const headers = PartHeaders.parse(header as Readonly<Record<string, ReadonlyArray<string>>>)
      if (headers === null) {
        return fail(new TooLarge({ message: "The header of a part of the form is too long.", param: null }))
      }
      if (headers.name === null) return fail(invalid("A part of the form has no name."))
      if (headers.filename !== null && headers.name !== fileField) {
        return fail(invalid(`The part \`${shown(headers.name)}\` must not be a file.`, shown(headers.name)))
      }
      if (headers.filename !== null) return openFile(part, headers.filename, headers.contentType)
      if (headers.name === fileField) {
        return fail(invalid(`The part \`${fileField}\` has no file name.`, fileField))
      }
      openField(part, headers.name)
    })
  })
  parser.on("error", malformed)
  parser.on("finish", () => {
    if (awaitsHeader) return malformed()
    finished = true
    settle()
  })
  const onBreak = (): void => {
    if (!body.readableEnded) fail(invalid("The body broke off before its end."))
  }
  body.once("close", onBreak).once("error", onBreak)
  if (body.destroyed) onBreak()
  body.pipe(parser)

  const stop = Effect.suspend(() => {
    body.unpipe(parser).off("close", onBreak).off("error", onBreak).on("error", ignore)
    // Who still reads the file learns that it has no end.
    filePart?.destroy(new Error("the form is not complete"))
    parser.on("error", ignore).destroy()
    return file === null ? Effect.void : Fiber.interrupt((file as OpenFile<A>).receiving)
  })

  return yield* Effect.gen(function* () {
    yield* Deferred.await(ended)
    const read = file as OpenFile<A> | null
    if (read === null) return { fields, file: null }
    const result = yield* Fiber.join(read.receiving)
    return { fields, file: { filename: read.filename, contentType: read.contentType, result } }
  }).pipe(Effect.ensuring(stop))
})
