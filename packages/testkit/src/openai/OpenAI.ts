/**
 * OpenAI's API as the emulator speaks it.
 */
import * as Accounts from "./Account.ts"
import { error } from "./Answer.ts"
import * as Batches from "./Batches.ts"
import * as Chat from "./Chat.ts"
import * as Containers from "./Containers.ts"
import type { Dialect } from "./Dialect.ts"
import * as Files from "./Files.ts"
import * as FineTuning from "./FineTuning.ts"
import * as Forwarded from "./Forwarded.ts"
import { newId } from "./Ids.ts"
import * as Models from "./Models.ts"
import * as Responses from "./Responses.ts"
import * as Uploads from "./Uploads.ts"

export const dialect: Dialect = {
  basePath: "/v1",
  newFileId: () => newId("file-"),
  routes: [
    ...Files.routes,
    ...Chat.routes,
    ...Models.routes,
    ...Batches.routes,
    ...FineTuning.routes,
    ...Responses.routes,
    ...Uploads.routes,
    ...Containers.routes,
    ...Forwarded.routes
  ],
  accountOf: ({ headers }, accounts) => Accounts.find(accounts, Accounts.bearer(headers)),
  unauthorized: Accounts.unauthorized,
  error,
  answerHeaders: () => ({ "x-request-id": newId("req_"), "openai-version": "2020-10-01" }),
  batches: Batches.control
}
