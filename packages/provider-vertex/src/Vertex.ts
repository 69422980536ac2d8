/**
 * Chat on Vertex AI, of Google's models and of Claude: https://cloud.google.com/vertex-ai/generative-ai/docs. Files go
 * within the calls, since there is no place for them but the customer's own buckets.
 *
 * The base URL of a project ends in `/v1/projects/PROJECT/locations/LOCATION`. One without a project is that of express
 * mode.
 */
import type { Capabilities, UseCapabilities } from "@omnifile/core/FileCapabilities"
import { noFiles } from "@omnifile/core/FileCapabilities"
import * as Provider from "@omnifile/core/Provider"
import type { RefusalMeaning } from "@omnifile/core/Provider"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { chat } from "./VertexChat.ts"

export interface Options {
  /** What the configuration calls the provider. */
  readonly id: string
}

const megabyte = 1_000_000

/** Of Gemini; Claude takes less, and says so: https://cloud.google.com/vertex-ai/generative-ai/docs/models */
const generation: UseCapabilities = {
  reference: [],
  inline: [
    { types: ["application/pdf"], maxBytes: 50 * megabyte },
    { types: ["image/*"], maxBytes: 7 * megabyte },
    { types: ["audio/*", "video/*", "text/*"], maxBytes: null }
  ],
  requestBytes: 500 * megabyte
}

const capabilities: Capabilities = { chat: generation, responses: generation, messages: noFiles }

/** Google's own, with a status, or Anthropic's, with a type. */
const Refusal = Schema.Struct({
  error: Schema.Struct({
    message: Schema.String,
    status: Schema.optionalKey(Schema.String),
    type: Schema.optionalKey(Schema.String)
  })
})

// Some calls answer their errors as an array of one.
const decodeRefusalBody = Schema.decodeUnknownOption(Schema.Union([Refusal, Schema.Tuple([Refusal])]))

const meaningOf = (status: number, message: string): RefusalMeaning | null => {
  if (status === 400 && /API key not valid|API_KEY_INVALID/i.test(message)) return "credentials"
  return status === 413 || (status === 400 && /payload size exceeds|exceeds the .*(size|limit)/i.test(message))
    ? "too_large"
    : null
}

const decodeRefusal: Provider.Provider["decodeRefusal"] = (body, { status }) =>
  Option.match(decodeRefusalBody(body), {
    onNone: () => null,
    onSome: (refusal) => {
      const { message, status: name, type } = ("error" in refusal ? refusal : refusal[0]).error
      return { message, type: name ?? type ?? null, param: null, code: null, meaning: meaningOf(status, message) }
    }
  })

/** A project's calls carry an access token; those of express mode, which name no project, an API key. */
const authorize: Provider.Provider["authorize"] = ({ baseUrl }, secret) =>
  baseUrl.includes("/projects/")
    ? { authorization: `Bearer ${Redacted.value(secret)}` }
    : { "x-goog-api-key": Redacted.value(secret) }

/** A provider that speaks Vertex AI's wire. */
export const make = ({ id }: Options): Provider.Provider =>
  Provider.make({ id, authorize, files: null, capabilities, chat, decodeRefusal })

/** Vertex AI. */
export const vertex: Provider.Provider = make({ id: "vertex" })
