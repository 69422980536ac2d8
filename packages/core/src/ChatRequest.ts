/** What omnifile reads of a chat completion's body; everything else passes through unseen. */
import * as Result from "effect/Result"
import type * as Bytes from "./Bytes.ts"
import { invalid, type InvalidRequest } from "./CallError.ts"
import * as JsonScan from "./JsonScan.ts"
import type { ChatCompletion } from "./Operation.ts"
import * as RequestReader from "./RequestReader.ts"

/** Where OpenAI's chat API knows a model, a mode and file IDs. */
const paths = JsonScan.compile({
  ...RequestReader.common,
  messages: "messages",
  file: "messages.*.content.*.file.file_id"
})

/** Reads a body. */
export const parse = (body: Bytes.InMemory): Result.Result<ChatCompletion, InvalidRequest> => {
  const request = new RequestReader.RequestReader()
  let messages = false
  const refused = request.read(body, paths, (match) => {
    switch (match.name) {
      case "messages":
        messages = true
        return match.kind === "array" ? undefined : invalid("`messages` must be an array.", "messages")
      case "file":
        return request.takeFile(match)
    }
  })
  if (refused !== undefined) return Result.fail(refused)
  return Result.map(request.finish(body, { messages }), (read) => ({ _tag: "ChatCompletion", ...read }))
}
