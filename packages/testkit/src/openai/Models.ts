/**
 * `/v1/models`: list and retrieve.
 */
import type { Account } from "./Account.ts"
import * as Answer from "./Answer.ts"
import { ApiError } from "./Answer.ts"
import { bodiless } from "./Receiving.ts"
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
  receive: bodiless(({ account }) =>
    Answer.json(200, { object: "list", data: (account.models ?? defaultModels).map(toObject) })
  )
}

const retrieve: Route = {
  name: "models.retrieve",
  method: "GET",
  path: "/v1/models/:model",
  receive: bodiless(({ account, params }) => {
    const model = params["model"] ?? ""
    requireModel(account, model)
    return Answer.json(200, toObject(model))
  })
}

export const routes: ReadonlyArray<Route> = [list, retrieve]
