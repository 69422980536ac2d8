/** The xAI API as the emulator speaks it: https://docs.x.ai/developers/rest-api-reference. Errors are texts. */
import * as Accounts from "../openai/Account.ts"
import { ApiError, json } from "../openai/Answer.ts"
import * as Chat from "../openai/Chat.ts"
import type { Dialect } from "../openai/Dialect.ts"
import * as Files from "../openai/Files.ts"
import type { FieldOf } from "../openai/Files.ts"
import type { StoredFile } from "../openai/FileStore.ts"
import { newId } from "../openai/Ids.ts"
import * as Models from "../openai/Models.ts"
import type { Form } from "../openai/Multipart.ts"
import { bodiless } from "../openai/Receiving.ts"
import type { Route } from "../openai/Route.ts"
import * as Responses from "../openai/Responses.ts"
import * as Batches from "./Batches.ts"

const shortestLifeSeconds = 3_600
const longestLifeSeconds = 2_592_000
const lifeParts = [...Files.anchoredLifeParts, "expires_after", "team_id"]

/** What says for how long a file is kept has to be known before the file comes. */
const requireOrder = ({ partOrder }: Form): void => {
  const late = partOrder.slice(partOrder.indexOf("file") + 1).find((name) => lifeParts.includes(name))
  if (late !== undefined) throw new ApiError(400, `The field '${late}' must come before the file.`)
}

const anchored = Files.anchoredLife(shortestLifeSeconds, longestLifeSeconds)

const lifeOf = (field: FieldOf, purpose: string): number | undefined => {
  const plain = field("expires_after")
  return plain === undefined
    ? anchored(field, purpose)
    : Files.integer("expires_after", plain, shortestLifeSeconds, longestLifeSeconds)
}

const toObject = (file: StoredFile): Record<string, unknown> => ({
  ...Files.toObject(file),
  expires_at: file.expiresAt ?? null
})

const files = Files.make({
  purposes: [...Files.openai.purposes, ""],
  withoutDownload: new Set(),
  lifeParts,
  lifeOf,
  check: requireOrder,
  toObject,
  paged: true
}).filter(({ name }) => name !== "files.list")

const longestPage = 100

/** A page, and the token of the next one if there is one. */
const list: Route = {
  name: "files.list",
  method: "GET",
  path: "/v1/files",
  receive: bodiless(({ account, query }) => {
    const unknown = [...query.keys()].find((name) => !listed.has(name))
    if (unknown !== undefined) throw new ApiError(400, `The parameter '${unknown}' is not known.`)
    const limit = Files.integer("limit", query.get("limit") ?? String(longestPage), 1, longestPage)
    const order = query.get("order") === "asc" ? "asc" : "desc"
    const after = query.get("pagination_token") ?? undefined
    const page = account.files.list({ after, limit, order, purpose: undefined })
    const token = page.hasMore ? page.data.at(-1)?.id : undefined
    return json(200, { data: page.data.map(toObject), ...(token === undefined ? {} : { pagination_token: token }) })
  })
}

const listed: ReadonlySet<string> = new Set(["limit", "order", "sort_by", "pagination_token", "filter"])

export const dialect: Dialect = {
  basePath: "/v1",
  newFileId: () => newId("file_"),
  routes: [...files, list, ...Chat.make(Chat.withoutFiles), ...Responses.routes, ...Batches.routes, ...Models.routes],
  accountOf: ({ headers }, accounts) => Accounts.find(accounts, Accounts.bearer(headers)),
  // A wrong key is a wrong argument.
  unauthorized: () => new ApiError(400, "Incorrect API key provided."),
  error: ({ message, status }, headers = {}) =>
    json(status, { code: "Client specified an invalid argument", error: message }, headers),
  answerHeaders: () => ({ "x-request-id": newId("") }),
  batches: Batches.control
}
