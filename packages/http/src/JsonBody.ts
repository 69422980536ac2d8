/** JSON bodies: their bytes for what goes on as it is, or the object for what is read as a whole. */
import * as Bytes from "@omnifile/core/Bytes"
import { type CallError, invalid, type InvalidRequest, UnsupportedMediaType } from "@omnifile/core/CallError"
import { type JsonObject, parseObject } from "@omnifile/core/Json"
import * as Effect from "effect/Effect"
import type { Headers } from "effect/http/Headers"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { RequestBodies } from "./RequestBodies.ts"

const isJson = (contentType: string | undefined): boolean =>
  contentType === undefined || /^application\/(?:[\w.+-]+\+)?json\b/i.test(contentType)

/** The bytes of a body that says to be JSON, or nothing of its type. At most `limit` of them. */
export const read = (
  request: HttpServerRequest,
  headers: Headers,
  bodies: RequestBodies["Service"],
  limit: number
): Effect.Effect<Bytes.InMemory, CallError> =>
  isJson(headers["content-type"])
    ? bodies.bytes(request, limit)
    : Effect.fail(new UnsupportedMediaType({ message: "Send the body as application/json." }))

const decoder = new TextDecoder()

/** The object that a body is. Of a key that stands twice the last one counts. */
export const object = (body: Bytes.InMemory): Effect.Effect<JsonObject, InvalidRequest> =>
  Effect.suspend(() => {
    const value = Bytes.readJoined(body, (bytes) => parseObject(decoder.decode(bytes)))
    return value === undefined ? Effect.fail(invalid("The body must be a JSON object.")) : Effect.succeed(value)
  })
