/**
 * Files and Messages on Anthropic's wire: https://docs.anthropic.com/en/api. The base URL is the bare origin.
 *
 * A vendor that differs in a detail is `make({ id: "vendor" })` with that detail replaced.
 */
import * as Provider from "@omnifile/core/Provider"
import type { CallAt, ProviderCall } from "@omnifile/core/Provider"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { files, ownVersion } from "./AnthropicFiles.ts"

export interface Options {
  /** What the configuration calls the provider. */
  readonly id: string
}

const Refusal = Schema.Struct({
  error: Schema.Struct({
    message: Schema.String,
    type: Schema.optionalKey(Schema.NullOr(Schema.String))
  })
})

const decodeRefusalBody = Schema.decodeUnknownOption(Refusal)

/** A call on behalf of a client, which says itself what it knows of the API. */
const withJson =
  (name: string, path: string) =>
  (body: NonNullable<ProviderCall["body"]>, { headers }: CallAt): ProviderCall => ({
    name,
    method: "POST",
    path,
    headers: { "anthropic-version": ownVersion, ...headers, "content-type": "application/json" },
    body,
    idempotent: false
  })

/** A provider that speaks Anthropic's wire. */
export const make = ({ id }: Options): Provider.Provider =>
  Provider.make({
    id,
    authorize: (_account, secret) => ({ "x-api-key": Redacted.value(secret) }),
    files,
    messages: withJson("messages", "/v1/messages"),
    countTokens: withJson("messages.count_tokens", "/v1/messages/count_tokens"),
    decodeRefusal: (body) =>
      Option.match(decodeRefusalBody(body), {
        onNone: () => null,
        onSome: ({ error }) => ({
          message: error.message,
          type: error.type ?? null,
          param: null,
          code: null,
          meaning: null
        })
      })
  })

/** Anthropic. */
export const anthropic: Provider.Provider = make({ id: "anthropic" })
