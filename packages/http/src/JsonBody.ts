/** JSON bodies: their bytes for what goes on as it is, or the object for what is read as a whole. */
import * as Bytes from "@omnifile/core/Bytes"
import { type CallError, invalid, type InvalidRequest, UnsupportedMediaType } from "@omnifile/core/CallError"
import { type JsonObject, parseObject } from "@omnifile/core/Json"
import * as Effect from "effect/Effect"
import type { Authenticated } from "./Endpoint.ts"
import { RequestBodies } from "./RequestBodies.ts"
import { ServerSettings } from "./ServerSettings.ts"

const isJson = (contentType: string | undefined): boolean =>
  contentType === undefined || /^application\/(?:[\w.+-]+\+)?json\b/i.test(contentType)

const decoder = new TextDecoder()

const parse = (body: Bytes.InMemory): Effect.Effect<JsonObject, InvalidRequest> =>
  Effect.suspend(() => {
    const value = Bytes.readJoined(body, (bytes) => parseObject(decoder.decode(bytes)))
    return value === undefined ? Effect.fail(invalid("The body must be a JSON object.")) : Effect.succeed(value)
  })

type Call = Pick<Authenticated, "headers" | "request">

/** Reads the bodies of requests, of at most `limit` bytes and of no more than the server takes. */
export const make = Effect.fnUntraced(function* (limit = Number.POSITIVE_INFINITY) {
  const bodies = yield* RequestBodies
  const { maxBodySize } = yield* ServerSettings

  /** The bytes of a body that says to be JSON, or nothing of its type. */
  const bytes = ({ headers, request }: Call): Effect.Effect<Bytes.InMemory, CallError> =>
    isJson(headers["content-type"])
      ? bodies.bytes(request, Math.min(limit, maxBodySize))
      : Effect.fail(new UnsupportedMediaType({ message: "Send the body as application/json." }))

  /** The object that a body is. Of a key that stands twice the last one counts. */
  const object = (call: Call): Effect.Effect<JsonObject, CallError> => Effect.flatMap(bytes(call), parse)

  return { bytes, object }
})
