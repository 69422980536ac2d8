/**
 * Azure OpenAI as the emulator speaks it: OpenAI's routes under `/openai/v1`, and with `api-version` under `/openai`, where
 * what has a model names it in the path.
 */
import type { IncomingHttpHeaders } from "node:http"
import * as Accounts from "../openai/Account.ts"
import { ApiError, error } from "../openai/Answer.ts"
import * as Batches from "../openai/Batches.ts"
import * as Chat from "../openai/Chat.ts"
import type { Dialect } from "../openai/Dialect.ts"
import * as FineTuning from "../openai/FineTuning.ts"
import { newId } from "../openai/Ids.ts"
import * as Models from "../openai/Models.ts"
import * as Responses from "../openai/Responses.ts"
import type { Route } from "../openai/Route.ts"
import * as Files from "./Files.ts"

const keyOf = (headers: IncomingHttpHeaders): string | undefined => {
  const key = headers["api-key"]
  return typeof key === "string" ? key : Accounts.bearer(headers)
}

const routes = [
  ...Files.routes,
  ...Chat.routes,
  ...Models.routes,
  ...Batches.routes,
  ...FineTuning.routes,
  ...Responses.routes
]

const under = (prefix: string, of: ReadonlyArray<Route>): ReadonlyArray<Route> =>
  of.map((route) => ({ ...route, path: route.path.replace("/v1", prefix) }))

/** Where there is no version, there is nothing. */
const dated = (of: ReadonlyArray<Route>): ReadonlyArray<Route> =>
  of.map((route) => ({ ...route, when: (query) => /^\d{4}-\d{2}-\d{2}/.test(query.get("api-version") ?? "") }))

/** The SDK names the deployment in the path of these. */
const ofDeployments = [...Chat.routes, ...Batches.routes.filter(({ name }) => name === "batches.create")]

/** A chat completion without a deployment is none of the older API. */
const ofResource = routes.filter(({ name }) => name !== "chat")

export const dialect: Dialect = {
  basePath: "/openai/v1",
  newFileId: () => newId("file-"),
  routes: [
    ...under("/openai/v1", routes),
    ...dated(under("/openai", ofResource)),
    ...dated(under("/openai/deployments/:deployment", ofDeployments))
  ],
  accountOf: ({ headers }, accounts) => Accounts.find(accounts, keyOf(headers)),
  unauthorized: () =>
    new ApiError(401, "Access denied due to invalid subscription key or wrong API endpoint.", { code: "401" }),
  error,
  answerHeaders: () => ({ "apim-request-id": newId(""), "x-ms-region": "Emulated" }),
  batches: Batches.control
}
