import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import * as Bytes from "../src/Bytes.ts"
import * as FileCapabilities from "../src/FileCapabilities.ts"
import type { UseCapabilities } from "../src/FileCapabilities.ts"
import * as FileParts from "../src/FileParts.ts"
import type { Provider } from "../src/Provider.ts"
import { answer, decode, encode } from "./support/FakeProvider.ts"
import { idOf, sentFiles } from "./support/lookups.ts"
import { wire } from "./support/wire.ts"
import * as World from "./support/World.ts"

const pdf = "%PDF-1.7 text"
const gif = "GIF89a..."
const base64 = (text: string): string => Buffer.from(text).toString("base64")

const able: UseCapabilities = {
  reference: [{ types: ["application/pdf"], maxBytes: null }],
  inline: [
    { types: ["application/pdf"], maxBytes: 40 },
    { types: ["image/*"], maxBytes: 100 }
  ],
  requestBytes: 700
}

const provider = (chat: UseCapabilities, changes: Partial<Provider> = {}): Provider => ({
  ...wire,
  capabilities: { ...FileCapabilities.none, chat },
  ...changes
})

const started = Effect.fnUntraced(function* (
  files: "auto" | "reference" | "inline",
  chat: UseCapabilities = able,
  changes: Partial<Provider> = {},
  more: { readonly inlineBelow?: number } = {}
) {
  const world = yield* World.make({
    provider: provider(chat, changes),
    accounts: [
      { id: "east", files, ...more },
      { id: "west", files }
    ]
  })
  return { world, east: world.account("east"), instance: yield* world.start() }
})

type Part = Readonly<Record<string, unknown>>

/** The parts of the messages that an account was sent last. */
const sentParts = (world: World.World, account = "east"): ReadonlyArray<Part | undefined> => {
  const exchange = world.account(account).calls("chat").at(-1)
  const { messages } = JSON.parse(decode(exchange?.body ?? new Uint8Array())) as {
    readonly messages: ReadonlyArray<{ readonly content: ReadonlyArray<Part> }>
  }
  const body = exchange?.request.body
  if (body instanceof Uint8Array || body === null || body === undefined) assert.strictEqual(body, exchange?.body)
  else assert.strictEqual(body.length, exchange?.body.length)
  return messages.map(({ content }) => content[0])
}

const pdfPart = (content = pdf, filename = "a.pdf") => ({
  type: "file",
  file: { filename, file_data: `data:application/pdf;base64,${base64(content)}` }
})

const onEast = { model: "east-only" }

describe("an account whose calls get their files within them", () => {
  it.effect("has no copies, and each call the content, however often it names it", () =>
    Effect.gen(function* () {
      const { east, instance, world } = yield* started("inline")
      const file = yield* instance.upload({ models: ["east-only"], content: pdf, filename: "a.pdf" })
      yield* instance.chat({ ...onEast, files: [idOf(file), idOf(file)] })
      assert.deepStrictEqual(sentParts(world), [pdfPart(), pdfPart()])
      assert.strictEqual(east.calls("create").length, 0)
    })
  )

  it.effect("is told what the content is, whatever its name says", () =>
    Effect.gen(function* () {
      const { instance, world } = yield* started("inline")
      const document = yield* instance.upload({ models: [], content: pdf, filename: "a.gif" })
      const image = yield* instance.upload({ models: [], content: gif, filename: "a.bin" })
      yield* instance.chat({ ...onEast, files: [idOf(document), idOf(image)] })
      assert.deepStrictEqual(sentParts(world), [
        pdfPart(pdf, "a.gif"),
        { type: "image_url", image_url: { url: `data:image/gif;base64,${base64(gif)}` } }
      ])
    })
  )

  it.effect("sends the content anew to the next deployment", () =>
    Effect.gen(function* () {
      const { instance, world } = yield* started("inline")
      const file = yield* instance.upload({ models: [], content: pdf, filename: "a.pdf" })
      for (const id of ["east", "west"]) world.account(id).script("chat", answer(503))
      yield* Effect.flip(instance.chat({ files: [idOf(file)] }))
      assert.deepStrictEqual(sentParts(world, "east"), [pdfPart()])
      assert.deepStrictEqual(sentParts(world, "west"), [pdfPart()])
    })
  )

  const refused: ReadonlyArray<readonly [name: string, files: ReadonlyArray<string>, says: string]> = [
    ["a file that is too large", [`${pdf}${"x".repeat(30)}`], "at most 40 bytes of application/pdf"],
    ["content that it does not take", ["plain words"], "takes no application/octet-stream within chat completions"],
    [
      "a request that is too large with all of its files",
      Array.from({ length: 4 }, () => gif.padEnd(90, ".")),
      "requests of at most 700 bytes"
    ]
  ]
  it.effect("is not asked about a request that is too large because a file is named again and again", () =>
    Effect.gen(function* () {
      const { east, instance } = yield* started("inline")
      const file = yield* instance.upload({ models: [], content: gif.padEnd(90, "."), filename: "a.bin" })
      const error = yield* Effect.flip(instance.chat({ ...onEast, files: Array.from({ length: 4 }, () => idOf(file)) }))
      if (error._tag !== "InvalidRequest") return assert.fail(error._tag)
      assert.include(error.message, "requests of at most 700 bytes")
      assert.deepStrictEqual(east.exchanges, [])
    })
  )

  for (const [name, contents, says] of refused) {
    it.effect(`is not asked about ${name}`, () =>
      Effect.gen(function* () {
        const { east, instance } = yield* started("inline")
        const files = yield* Effect.forEach(contents, (content, index) =>
          instance.upload({ models: [], content, filename: `${index}.bin` })
        )
        const error = yield* Effect.flip(instance.chat({ ...onEast, files: files.map(idOf) }))
        if (error._tag !== "InvalidRequest") return assert.fail(error._tag)
        assert.include(error.message, `The file ${idOf(files[0])} cannot be used: account east`)
        assert.include(error.message, says)
        assert.strictEqual(error.param, "messages[0].content[0].file.file_id")
        assert.strictEqual(error.code, "file_not_available")
        assert.deepStrictEqual(east.exchanges, [])
      })
    )
  }
})

describe("an account that decides by what its provider can do", () => {
  it.effect("names a copy where that is possible, and sends the content elsewhere", () =>
    Effect.gen(function* () {
      const { east, instance, world } = yield* started("auto")
      const document = yield* instance.upload({ models: [], content: pdf, filename: "a.pdf" })
      const image = yield* instance.upload({ models: [], content: gif, filename: "a.gif" })
      yield* instance.chat({ ...onEast, files: [idOf(document), idOf(image)] })
      assert.deepStrictEqual(sentFiles(world, "east"), ["file-east-1"])
      assert.strictEqual(sentParts(world)[1]?.["type"], "image_url")
      assert.strictEqual(east.calls("create").length, 1)
      // And what is named by a copy heals beside what is not.
      east.files.clear()
      yield* instance.chat({ ...onEast, files: [idOf(document), idOf(image)] })
      assert.deepStrictEqual(sentFiles(world, "east"), ["file-east-2"])
    })
  )

  it.effect("sends the content where the provider has no place for files", () =>
    Effect.gen(function* () {
      const { instance, world } = yield* started("auto", { ...able, reference: [] }, { files: null })
      const file = yield* instance.upload({ content: pdf, filename: "a.pdf" })
      yield* instance.chat({ ...onEast, files: [idOf(file)] })
      assert.deepStrictEqual(sentParts(world), [pdfPart()])
      yield* instance.remove(idOf(file))
    })
  )

  it.effect("sends a small file that has no copy, and names the copy that there is", () =>
    Effect.gen(function* () {
      const { instance, world } = yield* started("auto", able, {}, { inlineBelow: 20 })
      const free = yield* instance.upload({ models: [], content: pdf, filename: "a.pdf" })
      const held = yield* instance.upload({ models: ["east-only"], content: pdf, filename: "a.pdf" })
      const large = yield* instance.upload({ models: [], content: `${pdf} and more`, filename: "a.pdf" })
      yield* instance.chat({ ...onEast, files: [idOf(free), idOf(held), idOf(large)] })
      assert.deepStrictEqual(sentParts(world)[0], pdfPart())
      assert.deepStrictEqual(sentFiles(world, "east"), ["file-east-1", "file-east-2"])
    })
  )
})

it.effect("an account that takes files by ID only is not sent their content", () =>
  Effect.gen(function* () {
    const { east, instance } = yield* started("reference")
    const image = yield* instance.upload({ models: [], content: gif, filename: "a.gif" })
    const error = yield* Effect.flip(instance.chat({ ...onEast, files: [idOf(image)] }))
    if (error._tag !== "InvalidRequest") return assert.fail(error._tag)
    assert.include(error.message, "takes no image/gif by ID in chat completions")
    assert.deepStrictEqual(east.exchanges, [])
  })
)

it.effect("a provider that names files otherwise gets the part in its own form", () =>
  Effect.gen(function* () {
    const { instance, world } = yield* started("auto", able, {
      filePart: (_, { contentType, filename, reference }) => ({ type: "doc", reference, filename, contentType })
    })
    const file = yield* instance.upload({ models: ["east-only"], content: pdf, filename: "a.pdf" })
    yield* instance.chat({ ...onEast, files: [idOf(file)] })
    assert.deepStrictEqual(sentParts(world), [
      { type: "doc", reference: "file-east-1", filename: "a.pdf", contentType: "application/pdf" }
    ])
  })
)

describe("the parts of a body", () => {
  const found = (use: FileCapabilities.FileUse, body: unknown) => {
    const text = JSON.stringify(body)
    const start = text.indexOf('"file-1"')
    const [part] = FileParts.around(Bytes.fromArray(encode(text)), use, [{ start, end: start + 8 }])
    return part === undefined ? undefined : { part, text: text.slice(part.start, part.end) }
  }
  const content = { contentType: "application/pdf", filename: "a.pdf", data: "DATA" }
  const image = { ...content, contentType: "image/gif" }

  it("of a response are those that can hold the content", () => {
    const input = (part: object) => ({ input: [{ role: "user", content: [{ type: "input_text", text: "x" }, part] }] })
    const file = found("responses", input({ type: "input_file", file_id: "file-1", detail: "low" }))
    assert.strictEqual(file?.text, '{"type":"input_file","file_id":"file-1","detail":"low"}')
    assert.deepStrictEqual(FileParts.withContent("responses", file?.part.object ?? {}, content), {
      type: "input_file",
      detail: "low",
      filename: "a.pdf",
      file_data: "data:application/pdf;base64,DATA"
    })
    assert.deepStrictEqual(FileParts.withContent("responses", file?.part.object ?? {}, image), {
      type: "input_image",
      detail: "low",
      image_url: "data:image/gif;base64,DATA"
    })
    const noDocument = { type: "input_image", file_id: "file-1" }
    assert.isUndefined(FileParts.withContent("responses", noDocument, content))
    assert.isUndefined(FileParts.withContent("responses", { type: "computer_call_output", file_id: "file-1" }, content))
    assert.isUndefined(found("responses", { tools: [{ container: { file_ids: ["file-1"] } }] }))
  })

  it("of a message are its sources", () => {
    const source = found("messages", {
      messages: [
        { role: "user", content: [{ type: "document", title: "t", source: { type: "file", file_id: "file-1" } }] }
      ]
    })
    assert.strictEqual(source?.text, '{"type":"file","file_id":"file-1"}')
    assert.deepStrictEqual(FileParts.withContent("messages", source?.part.object ?? {}, content), {
      type: "base64",
      media_type: "application/pdf",
      data: "DATA"
    })
    const upload = found("messages", { messages: [{ content: [{ type: "container_upload", file_id: "file-1" }] }] })
    assert.isUndefined(FileParts.withContent("messages", upload?.part.object ?? {}, content))
  })

  it("of a chat keep what else they say", () => {
    const part = { type: "file", file: { file_id: "file-1", filename: "mine.pdf" }, cache_control: { type: "x" } }
    const chat = found("chat", { messages: [{ content: [part] }] })
    assert.deepStrictEqual(FileParts.withContent("chat", chat?.part.object ?? {}, content), {
      type: "file",
      file: { filename: "mine.pdf", file_data: "data:application/pdf;base64,DATA" },
      cache_control: { type: "x" }
    })
  })
})

it.effect("the span of a call says how its files came", () =>
  Effect.gen(function* () {
    const { east, instance } = yield* started("auto")
    const said: Array<unknown> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        const attribute = span.attribute.bind(span)
        span.attribute = (name, value) => {
          if (name === "omnifile.file.use") said.push(value)
          attribute(name, value)
        }
        return span
      }
    })
    const document = yield* instance.upload({ models: ["east-only"], content: pdf, filename: "a.pdf" })
    const image = yield* instance.upload({ models: [], content: gif, filename: "a.gif" })
    const ask = (...files: ReadonlyArray<string>) =>
      instance.chat({ ...onEast, files }).pipe(Effect.withSpan("call"), Effect.withTracer(tracer))
    yield* ask(idOf(document))
    east.files.clear()
    yield* ask(idOf(document))
    yield* ask(idOf(image))
    assert.deepStrictEqual(said, ["reference", "reference", "renewed", "inline"])
  })
)
