/** The Groq API as the emulator speaks it: files are inputs of batches, have no status and are listed all at once. */
import * as Accounts from "../openai/Account.ts"
import { ApiError, error } from "../openai/Answer.ts"
import * as Batches from "../openai/Batches.ts"
import * as Chat from "../openai/Chat.ts"
import type { Dialect } from "../openai/Dialect.ts"
import * as Files from "../openai/Files.ts"
import { newId } from "../openai/Ids.ts"
import * as Models from "../openai/Models.ts"

const files = Files.make({
  purposes: ["batch"],
  withoutDownload: new Set(),
  lifeParts: [],
  lifeOf: () => undefined,
  check: (form) => {
    const name = form.files[0]?.filename ?? ""
    if (!name.endsWith(".jsonl")) throw new ApiError(400, "The file must be a .jsonl file.", { param: "file" })
  },
  toObject: (file) => {
    const { status: _, ...object } = Files.toObject(file)
    return object
  },
  paged: false
})

export const dialect: Dialect = {
  basePath: "/openai/v1",
  newFileId: () => newId("file_"),
  routes: [
    ...files,
    ...Chat.make(Chat.withoutFiles),
    ...Batches.make({ ...Batches.openai, chat: Chat.withoutFiles }),
    ...Models.routes
  ].map((route) => ({
    ...route,
    path: `/openai${route.path}`
  })),
  accountOf: ({ headers }, accounts) => Accounts.find(accounts, Accounts.bearer(headers)),
  unauthorized: () => new ApiError(401, "Invalid API Key", { code: "invalid_api_key" }),
  error,
  answerHeaders: () => ({ "x-request-id": newId("req_") }),
  batches: Batches.control
}
