/**
 * Files and Messages on Anthropic's wire: https://docs.anthropic.com/en/api. The base URL is the bare origin.
 *
 * A vendor that differs in a detail is `make({ id: "vendor" })` with that detail replaced.
 */
import type { Provider, ProviderCall } from "@omnifile/core/Provider"
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

type Headers = Readonly<Record<string, string>>

/** A call on behalf of a client, which says itself what it knows of the API. */
const withJson =
  (name: string, path: string) =>
  (body: NonNullable<ProviderCall["body"]>, headers: Headers): ProviderCall => ({
    name,
    method: "POST",
    path,
    headers: { "anthropic-version": ownVersion, ...headers, "content-type": "application/json" },
    body,
    idempotent: false
  })

/** A provider that speaks Anthropic's wire. */
export const make = ({ id }: Options): Provider => ({
  id,
  authorize: (account) => ({ "x-api-key": Redacted.value(account.apiKey) }),
  files,
  chatCompletion: null,
  messages: withJson("messages", "/v1/messages"),
  countTokens: withJson("messages.count_tokens", "/v1/messages/count_tokens"),
  responses: null,
  batches: null,
  fineTuning: null,
  forward: null,
  containerFiles: null,
  decodeRefusal: (body) =>
    Option.match(decodeRefusalBody(body), {
      onNone: () => null,
      onSome: ({ error }) => ({ message: error.message, type: error.type ?? null, param: null, code: null })
    })
})

/** Anthropic. */
export const anthropic: Provider = make({ id: "anthropic" })
