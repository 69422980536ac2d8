/** xAI's Files API: OpenAI's, with lives of its own and with lists that are paged by a token. */
import type { FileProtocol } from "@omnifile/core/Provider"
import { bodiless } from "@omnifile/core/ProviderCalls"
import * as OpenAIFiles from "@omnifile/provider-openai/OpenAIFiles"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const megabyte = 1_048_576

const pageSize = 100

const base = OpenAIFiles.make({
  maxBytes: 50 * megabyte,
  // One number, which has to come before the file.
  expiry: { form: "seconds", shortest: 3_600, longest: 2_592_000 },
  pageSize
})

const decodeToken = Schema.decodeUnknownResult(
  Schema.Struct({ pagination_token: Schema.optionalKey(Schema.NullOr(Schema.String)) })
)

/** An empty token is none. */
const tokenOf = (body: unknown): string =>
  decodeToken(body).pipe(Result.match({ onFailure: () => "", onSuccess: ({ pagination_token: token }) => token ?? "" }))

export const files: FileProtocol = {
  ...base,
  list: (cursor) =>
    bodiless("files.list", "GET", `/files?order=desc&limit=${pageSize}${cursor === null ? "" : `&${cursor}`}`),
  decodePage: (body, cursor) => {
    const token = tokenOf(body)
    return Result.map(base.decodePage(body, cursor), ({ files: page, next }) => ({
      files: page,
      // Vendors of the same wire may page as OpenAI does.
      next:
        token === ""
          ? next === null
            ? null
            : `after=${encodeURIComponent(next)}`
          : `pagination_token=${encodeURIComponent(token)}`
    }))
  }
}
