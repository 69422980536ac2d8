/**
 * Anthropic's API as the emulator speaks it. Keys come as `x-api-key`, or as a bearer token as newer clients send them.
 */
import type { IncomingHttpHeaders } from "node:http"
import * as Accounts from "../openai/Account.ts"
import { ApiError } from "../openai/Answer.ts"
import type { Dialect } from "../openai/Dialect.ts"
import { newId } from "../openai/Ids.ts"
import * as Batches from "./Batches.ts"
import { error } from "./Error.ts"
import * as Files from "./Files.ts"
import * as Messages from "./Messages.ts"

const keyOf = (headers: IncomingHttpHeaders): string | undefined => {
  const key = headers["x-api-key"]
  return typeof key === "string" ? key : Accounts.bearer(headers)
}

export const dialect: Dialect = {
  basePath: "",
  newFileId: () => newId("file_"),
  routes: [...Batches.routes, ...Messages.routes, ...Files.routes],
  accountOf: ({ headers }, accounts) => Accounts.find(accounts, keyOf(headers)),
  unauthorized: (headers) => {
    const message = keyOf(headers) === undefined ? "x-api-key header is required" : "invalid x-api-key"
    return new ApiError(401, message)
  },
  error,
  answerHeaders: () => ({ "request-id": newId("req_") }),
  batches: Batches.control
}
