/**
 * What omnifile reads of a request for a fine-tuning job. All other fields go on as they are: what a provider makes of
 * them is between it and the client.
 */
import * as Result from "effect/Result"
import { invalid, type InvalidRequest } from "./CallError.ts"
import type { CreateFineTuningJob, DataField } from "./FineTuningOperation.ts"
import { metadataKey } from "./JobSync.ts"
import { isObject, type Json, type JsonObject } from "./Json.ts"

const missing = (param: string): InvalidRequest => invalid(`Missing required parameter: '${param}'.`, param)

const required = (body: JsonObject, param: string): Result.Result<string, InvalidRequest> => {
  const value = body[param]
  if (value === undefined || value === null) return Result.fail(missing(param))
  if (typeof value !== "string") return Result.fail(invalid(`\`${param}\` must be a string.`, param))
  return value === "" ? Result.fail(invalid(`\`${param}\` must not be empty.`, param)) : Result.succeed(value)
}

const faultOfMetadata = (metadata: Json | undefined): InvalidRequest | undefined => {
  if (metadata === undefined || metadata === null) return undefined
  if (!isObject(metadata)) return invalid("`metadata` must be an object.", "metadata")
  return Object.hasOwn(metadata, metadataKey)
    ? invalid(`The key \`${metadataKey}\` is reserved.`, "metadata")
    : undefined
}

/** Reads a body; the first field that is missing or wrong is named. */
export const parse = (
  body: JsonObject,
  idempotencyKey: string | null
): Result.Result<CreateFineTuningJob, InvalidRequest> =>
  Result.gen(function* () {
    const model = yield* required(body, "model")
    const files: Array<{ readonly id: string; readonly param: DataField }> = [
      { id: yield* required(body, "training_file"), param: "training_file" }
    ]
    const validation = body["validation_file"]
    if (validation !== undefined && validation !== null) {
      files.push({ id: yield* required(body, "validation_file"), param: "validation_file" })
    }
    const fault = faultOfMetadata(body["metadata"])
    if (fault !== undefined) return yield* Result.fail(fault)
    return { _tag: "CreateFineTuningJob" as const, body, model, files, idempotencyKey }
  })
