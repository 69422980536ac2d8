/** What omnifile reads of a chat completion's body; everything else passes through unseen. */
import * as Result from "effect/Result"
import * as Bytes from "./Bytes.ts"
import { invalid, type InvalidRequest } from "./CallError.ts"
import * as JsonScan from "./JsonScan.ts"
import type { FileReference } from "./ModelRequest.ts"
import type { ChatCompletion } from "./Operation.ts"

/** Where OpenAI's chat API knows a model, a mode and file IDs. */
const paths = JsonScan.compile({
  model: "model",
  stream: "stream",
  messages: "messages",
  file: "messages.*.content.*.file.file_id"
})

/** More files than any provider takes in one request; each costs a look-up. */
const fileLimit = 1_000

/** Reads a body. Where a key stands twice, both count: providers differ in which one they believe. */
export const parse = (body: Bytes.InMemory): Result.Result<ChatCompletion, InvalidRequest> => {
  const scanned = Bytes.readJoined(body, (bytes) => JsonScan.scan(bytes, paths))
  if (scanned._tag === "Malformed") {
    return Result.fail(invalid(`The body is not valid JSON: ${scanned.reason} at byte ${scanned.offset}.`))
  }
  let model: string | undefined
  let stream = false
  let messages = false
  const modelTokens: Array<{ readonly start: number; readonly end: number }> = []
  const files: Array<FileReference> = []
  for (const match of scanned.matches) {
    switch (match.name) {
      case "model":
        if (match.kind !== "string") return Result.fail(invalid("`model` must be a string.", "model"))
        model = match.value
        modelTokens.push({ start: match.start, end: match.end })
        break
      case "stream":
        stream = match.kind === "boolean" && match.value
        break
      case "messages":
        if (match.kind !== "array") return Result.fail(invalid("`messages` must be an array.", "messages"))
        messages = true
        break
      case "file":
        if (match.kind === "null") break
        if (match.kind !== "string") return Result.fail(invalid("`file_id` must be a string.", match.path))
        files.push({ id: match.value, param: match.path, start: match.start, end: match.end })
    }
  }
  if (model === undefined) return Result.fail(invalid("Missing required parameter: 'model'.", "model"))
  if (!messages) return Result.fail(invalid("Missing required parameter: 'messages'.", "messages"))
  if (files.length > fileLimit) {
    return Result.fail(invalid(`A request may name at most ${fileLimit} files.`, "messages"))
  }
  return Result.succeed({ _tag: "ChatCompletion", body, model, modelTokens, files, stream })
}
