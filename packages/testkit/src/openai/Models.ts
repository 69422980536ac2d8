/**
 * `/v1/models`: list and retrieve.
 */
import type { Account } from "./Account.ts"
import * as Answer from "./Answer.ts"
import { ApiError } from "./Answer.ts"
import { drain } from "./Http.ts"
import type { Route } from "./Route.ts"

/** Listed for an account that accepts every model name. */
const defaultModels = ["gpt-4o-mini"]

/** Refuses a model that the account does not serve. */
export const requireModel = (account: Account, model: string): void => {
  if (account.models === undefined || account.models.includes(model)) return
  const message = `The model \`${model}\` does not exist or you do not have access to it.`
  throw new ApiError(404, message, { param: "model", code: "model_not_found" })
}

const toObject = (id: string): Record<string, unknown> => ({
  id,
  object: "model",
  created: 1_700_000_000,
  owned_by: "openai"
})

const list: Route = {
  name: "models.list",
  method: "GET",
  path: "/v1/models",
  receive: async (exchange) => {
    await drain(exchange)
    const models = exchange.account.models ?? defaultModels
    return () => Answer.json(200, { object: "list", data: models.map(toObject) })
  }
}

const retrieve: Route = {
  name: "models.retrieve",
  method: "GET",
  path: "/v1/models/:model",
  receive: async (exchange) => {
    await drain(exchange)
    const model = exchange.params["model"] ?? ""
    return () => {
      requireModel(exchange.account, model)
      return Answer.json(200, toObject(model))
    }
  }
}

export const routes: ReadonlyArray<Route> = [list, retrieve]
