/**
 * Files and Messages on Anthropic's wire: https://docs.anthropic.com/en/api. The base URL is the bare origin.
 *
 * A vendor that differs in a detail is `make({ id: "vendor" })` with that detail replaced.
 */
import type { Capabilities, UseCapabilities } from "@omnifile/core/FileCapabilities"
import * as Provider from "@omnifile/core/Provider"
import type { CallAt, ProviderCall } from "@omnifile/core/Provider"
import { withJson } from "@omnifile/core/ProviderCalls"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { batches } from "./AnthropicBatches.ts"
import { chat } from "./AnthropicChat.ts"
import { files, ownVersion } from "./AnthropicFiles.ts"

export interface Options {
  /** What the configuration calls the provider. */
  readonly id: string
}

const Code = Schema.optionalKey(Schema.NullOr(Schema.String))

const Refusal = Schema.Struct({
  error: Schema.Struct({
    message: Schema.String,
    type: Schema.optionalKey(Schema.NullOr(Schema.String)),
    details: Schema.optionalKey(Schema.NullOr(Schema.Struct({ error_code: Code }))),
    code: Code
  })
})

const decodeRefusalBody = Schema.decodeUnknownOption(Refusal)

/** A call on behalf of a client, which says itself what it knows of the API. */
const clientCall =
  (name: string, path: string) =>
  (body: NonNullable<ProviderCall["body"]>, { headers }: CallAt): ProviderCall =>
    withJson(name, path, body, { "anthropic-version": ownVersion, ...headers })

const meanings: Readonly<Record<string, Provider.RefusalMeaning>> = {
  file_expired: "gone",
  storage_quota_exceeded: "quota"
}

const meaningOf = (code: string | null, message: string, status: number): Provider.RefusalMeaning | null => {
  if (status === 413) return "too_large"
  // A model that is not there has the same status, and no code has either.
  if (code === null) return status === 404 && /\bfile\b/i.test(message) ? "gone" : null
  return meanings[code] ?? null
}

const images = ["image/jpeg", "image/png", "image/gif", "image/webp"]
const megabyte = 1_048_576

/** https://docs.anthropic.com/en/docs/build-with-claude/files */
const content: UseCapabilities = {
  reference: [{ types: ["application/pdf", "text/plain", ...images], maxBytes: 500_000_000 }],
  // Text within a call is no base64.
  inline: [
    { types: ["application/pdf"], maxBytes: 32 * megabyte },
    { types: images, maxBytes: 5 * megabyte }
  ],
  requestBytes: 32 * megabyte
}

/** Code that runs in a container reads any file. */
const messages: UseCapabilities = { ...content, reference: [{ types: ["*/*"], maxBytes: 500_000_000 }] }

const capabilities: Capabilities = { chat: content, responses: content, messages }

/** A provider that speaks Anthropic's wire. */
export const make = ({ id }: Options): Provider.Provider =>
  Provider.make({
    id,
    authorize: (_account, secret) => ({ "x-api-key": Redacted.value(secret) }),
    files,
    capabilities,
    chat,
    foreignBatches: batches,
    messages: clientCall("messages", "/v1/messages"),
    countTokens: clientCall("messages.count_tokens", "/v1/messages/count_tokens"),
    decodeRefusal: (body, { status }) =>
      Option.match(decodeRefusalBody(body), {
        onNone: () => null,
        onSome: ({ error: { code: own, details, message, type = null } }) => {
          const code = details?.error_code ?? own ?? null
          return { message, type, param: null, code, meaning: meaningOf(code, message, status) }
        }
      })
  })

/** Anthropic. */
export const anthropic: Provider.Provider = make({ id: "anthropic" })
