import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Bytes from "../src/Bytes.ts"
import type { Edit } from "../src/JsonEdit.ts"
import * as JsonScan from "../src/JsonScan.ts"
import * as SseEvents from "../src/SseEvents.ts"
import { decode, encode } from "./support/json.ts"

const paths = JsonScan.compile({ file: "**.file_id" })

/** Every `file_id` with a mark before it. */
const marked = (data: Uint8Array): ReadonlyArray<Edit> => {
  const scanned = JsonScan.scan(data, paths)
  if (scanned._tag === "Malformed") return []
  return scanned.matches.flatMap(({ end, start, value }) =>
    typeof value === "string" ? [{ start, end, value: `our-${value}` }] : []
  )
}

const later: SseEvents.EditsOf = (data) => Promise.resolve(marked(data))

async function* chunksOf(chunks: ReadonlyArray<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* chunks
}

const text = async (chunks: ReadonlyArray<Uint8Array>, editsOf: SseEvents.EditsOf = marked): Promise<string> =>
  decode(await Bytes.collect(SseEvents.rewrite(chunksOf(chunks), editsOf)))

const once = (stream: string): Promise<string> => text([encode(stream)])

interface Parsed {
  readonly name: string
  readonly data: string
}

/** The events of a stream, read by the letter of the standard. */
const parse = (stream: string): ReadonlyArray<Parsed> => {
  const events: Array<Parsed> = []
  let name = ""
  let data: Array<string> = []
  for (const line of stream.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/)) {
    if (line === "") {
      if (data.length > 0) events.push({ name, data: data.join("\n") })
      name = ""
      data = []
      continue
    }
    const [, field = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []
    if (field === "data") data.push(value)
    if (field === "event") name = value
  }
  return events
}

const lineEnd = fc.constantFrom("\n", "\r\n", "\r")
const fileId = fc.string({ unit: "grapheme", maxLength: 8 })

/** The data of an event: JSON on one line or on several, or anything else. */
const data = fc.oneof(
  { weight: 3, arbitrary: fc.record({ file_id: fileId, other: fc.string(), n: fc.integer() }) },
  { weight: 2, arbitrary: fc.record({ list: fc.array(fc.record({ file_id: fileId }), { maxLength: 3 }) }) },
  { weight: 1, arbitrary: fc.constantFrom("[DONE]", "", "not json {", "\u2028 file_id") }
)

const event = fc.record({ data, pretty: fc.boolean(), space: fc.boolean(), name: fc.boolean(), comment: fc.boolean() })

const write = (events: ReadonlyArray<typeof event extends fc.Arbitrary<infer A> ? A : never>, end: string): string =>
  events
    .map(({ comment, data, name, pretty, space }) => {
      const body = typeof data === "string" ? data : JSON.stringify(data, null, pretty ? 1 : 0)
      return [
        ...(comment ? [`: file_id ${end === "\n" ? "keep" : "alive"}`] : []),
        ...(name ? ["event: response.created"] : []),
        ...body.split("\n").map((line) => `data:${space ? " " : ""}${line}`),
        "",
        ""
      ].join(end)
    })
    .join("")

describe("rewrite", () => {
  it("replaces values in the data of events, and touches nothing else", async () => {
    const stream =
      `: file_id\nevent: file_id\nid: 7\ndata: {"file_id":"a","text":"\\"file_id\\":\\"a\\""}\nretry: 3\n\n` +
      `data:[DONE]\n\n:\n\n`
    assert.strictEqual(await once(stream), stream.replace(`{"file_id":"a"`, `{"file_id":"our-a"`))
  })

  it("replaces values of a document that goes over several lines", async () => {
    assert.strictEqual(
      await once(`data: {"a":\nother: x\ndata: {"file_id":\ndata:   "b"}}\n\n`),
      `data: {"a":\nother: x\ndata: {"file_id":\ndata:   "our-b"}}\n\n`
    )
  })

  it("hands on a last event without an end", async () => {
    assert.strictEqual(await once(`data: {"file_id":"a"}\n`), `data: {"file_id":"our-a"}\n`)
  })

  it("hands on an event as soon as its end is there, and not before", async () => {
    const handed: Array<string> = []
    const seen: Array<string> = []
    async function* source(): AsyncGenerator<Uint8Array> {
      for (const chunk of ["data: 1\n\nda", "ta: 2\r", "\n", "\r", "\ndata: 3\n\n"]) {
        yield encode(chunk)
        seen.push(handed.splice(0).join(""))
      }
    }
    for await (const chunk of SseEvents.rewrite(source(), marked)) handed.push(decode(chunk))
    assert.deepStrictEqual(seen, ["data: 1\n\n", "", "", "data: 2\r\n\r", "\ndata: 3\n\n"])
  })

  it("does not keep events back that came before one that has to wait", async () => {
    let release = (): void => {}
    const waiting = new Promise<ReadonlyArray<Edit>>((resolve) => {
      release = () => resolve([])
    })
    const stream = encode("data: 1\n\ndata: 2\n\n")
    const editsOf = (data: Uint8Array) => (decode(data) === "2" ? waiting : [])
    const iterator = SseEvents.rewrite(chunksOf([stream]), editsOf)[Symbol.asyncIterator]()
    const first = await iterator.next()
    assert.strictEqual(first.done === true ? "" : decode(first.value), "data: 1\n\n")
    release()
    const second = await iterator.next()
    assert.strictEqual(second.done === true ? "" : decode(second.value), "data: 2\n\n")
  })

  it("throws what the source throws, and what was cut off is not handed on", async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield encode("data: 1\n\ndata: 2\n")
      throw new Error("broken")
    }
    const handed: Array<string> = []
    const read = async (): Promise<void> => {
      for await (const chunk of SseEvents.rewrite(broken(), marked)) handed.push(decode(chunk))
    }
    const error = await read().then(
      () => undefined,
      (cause: unknown) => cause
    )
    assert.match(String(error), /broken/)
    assert.deepStrictEqual(handed, ["data: 1\n\n"])
  })

  it("ends the source when its reader stops", async () => {
    let ended = false
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield encode("data: 1\n\n")
      } finally {
        ended = true
      }
    }
    for await (const chunk of SseEvents.rewrite(source(), marked)) if (chunk.length > 0) break
    assert.isTrue(ended)
  })

  it("gives the same events with the values replaced, wherever the chunks are cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { maxLength: 5 }),
        lineEnd,
        fc.boolean(),
        fc.boolean(),
        fc.array(fc.nat(), { maxLength: 12 }),
        async (events, end, mark, wait, cuts) => {
          const stream = (mark ? "\uFEFF" : "") + write(events, end)
          const bytes = encode(stream)
          const places = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b)
          const chunks = [0, ...places].map((start, index) => bytes.subarray(start, places[index]))
          const result = await text(chunks, wait ? later : marked)
          const replaced = events.map((each) => {
            if (typeof each.data === "string") return each
            const value = JSON.stringify(each.data, (key, value) =>
              key === "file_id" && typeof value === "string" ? `our-${value}` : value
            )
            return { ...each, data: JSON.parse(value) }
          })
          assert.strictEqual(result, (mark ? "\uFEFF" : "") + write(replaced, end))
          assert.deepStrictEqual(parse(result), parse(write(replaced, end)))
        }
      ),
      { numRuns: 300 }
    )
  })
})
