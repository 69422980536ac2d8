/** The Mistral API as the emulator speaks it. Errors are no objects within the body, but the body. */
import { randomUUID } from "node:crypto"
import * as Accounts from "../openai/Account.ts"
import { ApiError, json } from "../openai/Answer.ts"
import * as Chat from "../openai/Chat.ts"
import type { Dialect } from "../openai/Dialect.ts"
import { newId } from "../openai/Ids.ts"
import * as Models from "../openai/Models.ts"
import * as Batches from "./Batches.ts"
import { chat } from "./Chat.ts"
import * as Files from "./Files.ts"

/** What a validator says is an object in the place of the message. */
const messageOf = (status: number, message: string, param: string | null, code: string | null): unknown =>
  status === 422
    ? { detail: [{ type: code ?? "value_error", loc: ["body", ...(param?.split(".") ?? [])], msg: message }] }
    : message

export const dialect: Dialect = {
  basePath: "/v1",
  newFileId: () => randomUUID(),
  routes: [...Files.routes, ...Chat.make(chat), ...Batches.routes(chat), ...Models.routes],
  accountOf: ({ headers }, accounts) => Accounts.find(accounts, Accounts.bearer(headers)),
  unauthorized: () => new ApiError(401, "Unauthorized"),
  error: ({ code, message, param, status, type }, headers = {}) =>
    json(
      status,
      status === 401
        ? { detail: message }
        : {
            object: "error",
            message: messageOf(status, message, param, code),
            type,
            ...(status === 422 ? { param: null, code: null } : { param, code }),
            raw_status_code: status
          },
      headers
    ),
  answerHeaders: () => ({ "mistral-correlation-id": newId("") }),
  batches: Batches.control
}
