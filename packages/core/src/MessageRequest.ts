/** What omnifile reads of a Messages body; everything else passes through unseen. */
import * as Result from "effect/Result"
import type * as Bytes from "./Bytes.ts"
import { invalid, type InvalidRequest } from "./CallError.ts"
import * as JsonScan from "./JsonScan.ts"
import type { CountTokens, CreateMessage, MessageHeaders } from "./MessageOperation.ts"
import type { FileReference } from "./ModelRequest.ts"
import * as RequestReader from "./RequestReader.ts"

const paths = JsonScan.compile({
  ...RequestReader.common,
  messages: "messages",
  file: "messages.**.file_id",
  systemFile: "system.**.file_id",
  container: "container",
  containerId: "container.id"
})

/** What a tool was called with is the model's and the client's own words. */
const isWords = (path: string): boolean => /^messages\[\d+\]\.content\[\d+\]\.input[.[]/.test(path)

/** Citations and the outputs of tools only tell what an earlier answer said. */
const isTold = (path: string): boolean => /\.citations\[|^messages\[\d+\]\.content\[\d+\]\.content\./.test(path)

type Read = Omit<CreateMessage, "_tag">

const read = (body: Bytes.InMemory, headers: MessageHeaders): Result.Result<Read, InvalidRequest> => {
  const request = new RequestReader.RequestReader()
  const containers: Array<FileReference> = []
  let messages = false
  const refused = request.read(body, paths, (match) => {
    switch (match.name) {
      case "messages":
        messages = true
        return match.kind === "array" ? undefined : invalid("`messages` must be an array.", "messages")
      case "container":
      case "containerId":
        if (match.kind === "string") containers.push(RequestReader.reference(match.value, match))
        return undefined
      case "file":
      case "systemFile":
        return isWords(match.path) ? undefined : request.takeFile(match, !isTold(match.path))
    }
  })
  if (refused !== undefined) return Result.fail(refused)
  return Result.map(request.finish(body, { messages }), (model) => ({ ...model, headers, containers }))
}

/** Reads the body of a message. */
export const parseMessage = (
  body: Bytes.InMemory,
  headers: MessageHeaders
): Result.Result<CreateMessage, InvalidRequest> =>
  Result.map(read(body, headers), (request) => ({ _tag: "CreateMessage", ...request }))

/** Reads a body whose tokens are to be counted. */
export const parseCount = (body: Bytes.InMemory, headers: MessageHeaders): Result.Result<CountTokens, InvalidRequest> =>
  Result.map(read(body, headers), (request) => ({ _tag: "CountTokens", ...request }))
