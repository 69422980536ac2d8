/** The Together API as the emulator speaks it. An upload's address is signed, and says by itself whose it is. */
import * as Accounts from "../openai/Account.ts"
import { ApiError, error } from "../openai/Answer.ts"
import * as Chat from "../openai/Chat.ts"
import type { Dialect } from "../openai/Dialect.ts"
import { newId } from "../openai/Ids.ts"
import * as Models from "../openai/Models.ts"
import * as Batches from "./Batches.ts"
import * as Files from "./Files.ts"

export const dialect: Dialect = {
  basePath: "/v1",
  newFileId: () => newId("file-"),
  routes: [...Files.routes, ...Batches.routes, ...Chat.make(Chat.withoutFiles), ...Models.routes],
  accountOf: ({ headers, url }, accounts) => {
    const key = Accounts.bearer(headers)
    const signature = url.searchParams.get("signature")
    return key === undefined && signature !== null
      ? accounts.find((account) => Files.hasSigned(account, signature))
      : Accounts.find(accounts, key)
  },
  unauthorized: () => new ApiError(401, "Invalid API key provided", { code: "invalid_api_key" }),
  error,
  answerHeaders: () => ({ "x-request-id": newId("") }),
  batches: Batches.control
}
