/** The body of a new batch, checked field by field; what omnifile does not know goes on as it is. */
import { batchEndpoints, isBatchEndpoint } from "@omnifile/core/BatchEndpoints"
import type { CreateBatch } from "@omnifile/core/BatchOperation"
import { invalid, type InvalidRequest } from "@omnifile/core/CallError"
import { isObject, type JsonObject } from "@omnifile/core/Json"
import * as Effect from "effect/Effect"
import type { Headers } from "effect/http/Headers"
import * as Metadata from "./Metadata.ts"

const shortestExpiry = 3_600
const longestExpiry = 2_592_000

const text = (body: JsonObject, name: string): Effect.Effect<string, InvalidRequest> => {
  const value = body[name]
  if (value === undefined || value === null) {
    return Effect.fail(invalid(`Missing required parameter: '${name}'.`, name, "missing_required_parameter"))
  }
  return typeof value === "string" && value !== ""
    ? Effect.succeed(value)
    : Effect.fail(invalid(`\`${name}\` must be a string.`, name))
}

const checkExpiry = (value: unknown): Effect.Effect<void, InvalidRequest> => {
  const name = "output_expires_after"
  if (value === undefined || value === null) return Effect.void
  if (!isObject(value)) return Effect.fail(invalid(`\`${name}\` must be an object.`, name))
  if (value["anchor"] !== "created_at") {
    return Effect.fail(invalid(`\`${name}.anchor\` must be \`created_at\`.`, `${name}.anchor`))
  }
  const seconds = value["seconds"]
  return typeof seconds === "number" &&
    Number.isInteger(seconds) &&
    seconds >= shortestExpiry &&
    seconds <= longestExpiry
    ? Effect.void
    : Effect.fail(
        invalid(
          `\`${name}.seconds\` must be a whole number from ${shortestExpiry} to ${longestExpiry}.`,
          `${name}.seconds`
        )
      )
}

/** Whether the lines may be dealt out over several deployments: a field that no provider knows, or a header. */
const splitOf = (field: unknown, headers: Headers): Effect.Effect<boolean, InvalidRequest> => {
  if (field !== undefined && field !== null) {
    return typeof field === "boolean"
      ? Effect.succeed(field)
      : Effect.fail(invalid("`split` must be true or false.", "split"))
  }
  const header = headers["x-omnifile-batch-split"]?.toLowerCase()
  if (header === undefined || header === "" || header === "false") return Effect.succeed(false)
  return header === "true"
    ? Effect.succeed(true)
    : Effect.fail(invalid("`X-Omnifile-Batch-Split` must be true or false.", "X-Omnifile-Batch-Split"))
}

export const parse = Effect.fnUntraced(function* (
  request: JsonObject,
  headers: Headers,
  idempotencyKey: string | null
): Effect.fn.Return<CreateBatch, InvalidRequest> {
  const { split: field, ...body } = request
  const split = yield* splitOf(field, headers)
  const id = yield* text(body, "input_file_id")
  const endpoint = yield* text(body, "endpoint")
  if (!isBatchEndpoint(endpoint)) {
    return yield* invalid(`\`endpoint\` must be one of ${Object.keys(batchEndpoints).join(", ")}.`, "endpoint")
  }
  const window = yield* text(body, "completion_window")
  if (window !== "24h") return yield* invalid("`completion_window` must be `24h`.", "completion_window")
  yield* Metadata.check(body["metadata"])
  yield* checkExpiry(body["output_expires_after"])
  const { model = null } = body
  if (model !== null && typeof model !== "string") return yield* invalid("`model` must be a string.", "model")
  return { _tag: "CreateBatch", body, inputFile: { id, param: "input_file_id" }, model, split, idempotencyKey }
})
