/** The Gemini API as the emulator speaks it. Keys come as `x-goog-api-key`; an upload's address needs none. */
import * as Accounts from "../openai/Account.ts"
import { ApiError } from "../openai/Answer.ts"
import type { Dialect } from "../openai/Dialect.ts"
import * as Batches from "./Batches.ts"
import { error } from "./Error.ts"
import * as Files from "./Files.ts"
import * as Generate from "./Generate.ts"
import { newName } from "./Names.ts"
import * as Uploads from "./Uploads.ts"

export const dialect: Dialect = {
  basePath: "",
  newFileId: () => newName("files"),
  routes: [...Uploads.routes, ...Files.routes, ...Batches.routes, ...Generate.routes],
  accountOf: ({ headers, url }, accounts) => {
    const key = headers["x-goog-api-key"]
    if (typeof key === "string") return Accounts.find(accounts, key)
    const upload = url.searchParams.get("upload_id")
    return upload === null ? undefined : accounts.find((account) => Uploads.isOf(account, upload))
  },
  unauthorized: (headers) =>
    headers["x-goog-api-key"] === undefined
      ? new ApiError(403, "Method doesn't allow unregistered callers (callers without established identity).")
      : new ApiError(400, "API key not valid. Please pass a valid API key.", {
          more: {
            details: [
              {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                reason: "API_KEY_INVALID",
                domain: "googleapis.com"
              }
            ]
          }
        }),
  error,
  answerHeaders: () => ({ "x-gemini-service-tier": "standard" }),
  batches: Batches.control
}
