/** A receiver of OpenTelemetry's traces over HTTP, which reads both of the protocol's encodings. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

export interface ReceivedSpan {
  readonly service: string
  readonly name: string
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number
  readonly traceId: string
  readonly spanId: string
  /** Empty for a root. */
  readonly parentSpanId: string
  readonly attributes: Readonly<Record<string, string>>
  /** Nanoseconds since 1970. */
  readonly start: bigint
  readonly end: bigint
}

export interface Receiver {
  readonly url: string
  readonly spans: Array<ReceivedSpan>
  /** What has come, as it came. */
  readonly bodies: Array<string>
  readonly close: () => Promise<void>
}

/** A field of a protobuf message: a number, or the bytes of a text, of another message or of a fixed number. */
interface Field {
  readonly number: number
  readonly value: bigint | Buffer
}

const fieldsOf = (message: Buffer): ReadonlyArray<Field> => {
  const fields: Array<Field> = []
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = message.readUInt8(at++)
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  const bytes = (length: number): Buffer => {
    if (at + length > message.length) throw new Error("a field is longer than its message")
    at += length
    return message.subarray(at - length, at)
  }
  while (at < message.length) {
    const tag = Number(varint())
    const number = tag >> 3
    const wireType = tag & 7
    if (wireType === 0) fields.push({ number, value: varint() })
    else if (wireType === 1) fields.push({ number, value: bytes(8) })
    else if (wireType === 2) fields.push({ number, value: bytes(Number(varint())) })
    else if (wireType === 5) fields.push({ number, value: bytes(4) })
    else throw new Error(`no such wire type: ${wireType}`)
  }
  return fields
}

const messages = (fields: ReadonlyArray<Field>, number: number): ReadonlyArray<Buffer> =>
  fields.flatMap((field) => (field.number === number && Buffer.isBuffer(field.value) ? [field.value] : []))

const numberOf = (fields: ReadonlyArray<Field>, number: number): bigint => {
  const value = fields.find((field) => field.number === number)?.value ?? 0n
  return Buffer.isBuffer(value) ? value.readBigUInt64LE() : value
}

const textOf = (fields: ReadonlyArray<Field>, number: number): string => messages(fields, number)[0]?.toString() ?? ""
const hexOf = (fields: ReadonlyArray<Field>, number: number): string =>
  messages(fields, number)[0]?.toString("hex") ?? ""

/** Of `KeyValue` messages. */
const attributesOf = (pairs: ReadonlyArray<Buffer>): Record<string, string> =>
  Object.fromEntries(
    pairs.map((pair) => {
      const fields = fieldsOf(pair)
      const value = fieldsOf(messages(fields, 2)[0] ?? Buffer.alloc(0))
      return [textOf(fields, 1), textOf(value, 1)]
    })
  )

/** By the numbers in opentelemetry/proto/trace/v1/trace.proto. */
const fromProtobuf = (body: Buffer): ReadonlyArray<ReceivedSpan> =>
  messages(fieldsOf(body), 1).flatMap((resourceSpans) => {
    const resourceFields = fieldsOf(resourceSpans)
    const resource = messages(resourceFields, 1).flatMap((message) => messages(fieldsOf(message), 1))
    const service = attributesOf(resource)["service.name"] ?? ""
    return messages(resourceFields, 2).flatMap((scopeSpans) =>
      messages(fieldsOf(scopeSpans), 2).map((message): ReceivedSpan => {
        const span = fieldsOf(message)
        return {
          service,
          traceId: hexOf(span, 1),
          spanId: hexOf(span, 2),
          parentSpanId: hexOf(span, 4),
          name: textOf(span, 5),
          kind: Number(numberOf(span, 6)),
          start: numberOf(span, 7),
          end: numberOf(span, 8),
          attributes: attributesOf(messages(span, 9))
        }
      })
    )
  })

interface JsonPair {
  readonly key: string
  readonly value: { readonly stringValue?: string }
}

interface JsonTraces {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: ReadonlyArray<JsonPair> }
    readonly scopeSpans: ReadonlyArray<{
      readonly spans: ReadonlyArray<{
        readonly traceId: string
        readonly spanId: string
        readonly parentSpanId?: string
        readonly name: string
        readonly kind: number
        readonly startTimeUnixNano: string
        readonly endTimeUnixNano: string
        readonly attributes: ReadonlyArray<JsonPair>
      }>
    }>
  }>
}

const pairsOf = (pairs: ReadonlyArray<JsonPair>): Record<string, string> =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, value.stringValue ?? ""]))

const fromJson = (body: Buffer): ReadonlyArray<ReceivedSpan> =>
  (JSON.parse(body.toString()) as JsonTraces).resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        service: pairsOf(resource.attributes)["service.name"] ?? "",
        name: span.name,
        kind: span.kind,
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? "",
        attributes: pairsOf(span.attributes),
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano)
      }))
    )
  )

export const start = async (): Promise<Receiver> => {
  const spans: Array<ReceivedSpan> = []
  const bodies: Array<string> = []
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const body = Buffer.concat(chunks)
      const isTraces = request.method === "POST" && request.url === "/v1/traces"
      const type = request.headers["content-type"] ?? ""
      if (isTraces) {
        bodies.push(body.toString("latin1"))
        spans.push(...(type.startsWith("application/json") ? fromJson(body) : fromProtobuf(body)))
      }
      response.writeHead(isTraces ? 200 : 404, { "content-type": type }).end(type.includes("json") ? "{}" : "")
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    bodies,
    close: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, "close")
    }
  }
}
