/** OpenAI's Responses API, and the containers of its tools: https://platform.openai.com/docs/api-reference/responses */
import type { ContainerFileProtocol, ResponseProtocol } from "@omnifile/core/Provider"
import { bodiless, withJson } from "@omnifile/core/ProviderCalls"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { millis } from "./internal/wire.ts"

const pathOf = (id: string): string => `/responses/${encodeURIComponent(id)}`

const withQuery = (path: string, query: string): string => (query === "" ? path : `${path}?${query}`)

export const responses: ResponseProtocol = {
  create: (body) => withJson("responses.create", "/responses", body),
  retrieve: (id, query) => bodiless("responses.retrieve", "GET", withQuery(pathOf(id), query)),
  inputItems: (id, query) => bodiless("responses.input_items", "GET", withQuery(`${pathOf(id)}/input_items`, query)),
  remove: (id) => bodiless("responses.delete", "DELETE", pathOf(id)),
  cancel: (id) => bodiless("responses.cancel", "POST", `${pathOf(id)}/cancel`)
}

const ContainerFile = Schema.Struct({
  id: Schema.NonEmptyString,
  path: Schema.optionalKey(Schema.NullOr(Schema.String)),
  bytes: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  created_at: Schema.optionalKey(Schema.NullOr(Schema.Finite))
})

const decodeContainerFile = Schema.decodeUnknownResult(ContainerFile)

const fileOf = (container: string, id: string): string =>
  `/containers/${encodeURIComponent(container)}/files/${encodeURIComponent(id)}`

export const containerFiles: ContainerFileProtocol = {
  retrieve: (container, id) => bodiless("containers.files.retrieve", "GET", fileOf(container, id)),
  content: (container, id) => bodiless("containers.files.content", "GET", `${fileOf(container, id)}/content`),
  decodeFile: (body) =>
    decodeContainerFile(body).pipe(
      Result.map(({ bytes, created_at, id, path }) => ({
        id,
        filename: path?.split("/").at(-1) ?? null,
        bytes: bytes ?? null,
        createdAt: millis(created_at),
        expiresAt: null,
        state: "ready" as const
      })),
      Result.mapError(() => "no container file object")
    )
}
