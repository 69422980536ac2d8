/**
 * Chat on Vertex AI, of Google's models and of Claude: https://cloud.google.com/vertex-ai/generative-ai/docs. There
 * is no place for files but the customer's own bucket. Where an account has one, Gemini gets files from there; Claude, and
 * all models of an account without a bucket, get them within the calls.
 *
 * The base URL of a project ends in `/v1/projects/PROJECT/locations/LOCATION`. One without a project is that of express
 * mode.
 */
import type { Account } from "@omnifile/core/Account"
import * as ContentType from "@omnifile/core/ContentType"
import type { Capabilities, UseCapabilities } from "@omnifile/core/FileCapabilities"
import { noFiles, ruleFor } from "@omnifile/core/FileCapabilities"
import * as Provider from "@omnifile/core/Provider"
import type { RefusalMeaning } from "@omnifile/core/Provider"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as GcsFiles from "./GcsFiles.ts"
import * as VertexBatches from "./VertexBatches.ts"
import { chat, isClaude } from "./VertexChat.ts"

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

/** Of a file in a bucket. */
const referring: UseCapabilities = {
  ...generation,
  reference: [
    { types: ["application/pdf", "text/plain"], maxBytes: 50 * megabyte },
    { types: ["image/*"], maxBytes: 30 * megabyte },
    { types: ["audio/*", "video/*"], maxBytes: 2_000 * megabyte }
  ]
}

const referringCapabilities: Capabilities = { chat: referring, responses: referring, messages: noFiles }

/** What no model would be given is not worth a copy. */
const takes: Provider.FileProtocol["takes"] = ({ mediaType, purpose }) =>
  purpose === "batch" || ruleFor(referring.reference, ContentType.bare(mediaType)) !== undefined

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

/** Whether it is about an object of Cloud Storage, which may not be there. */
const isAboutFile = (message: string): boolean => /gs:\/\/|input file|cloud storage|storage\.objects/i.test(message)

const meaningOf = (status: number, message: string): RefusalMeaning | null => {
  if ((status === 400 || status === 403 || status === 404) && isAboutFile(message)) return "file"
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

const ofAccount = (plain: Provider.Provider, { bucket }: Account, model: string | null): Provider.Provider => {
  if (bucket === null) return plain
  const files = GcsFiles.make(bucket, takes)
  // Claude has other batches, and no files from a bucket.
  if (model !== null && isClaude(model)) return { ...plain, files }
  return { ...plain, files, capabilities: referringCapabilities, foreignBatches: VertexBatches.make(bucket) }
}

/** A provider that speaks Vertex AI's wire. */
export const make = ({ id }: Options): Provider.Provider => {
  const plain = Provider.make({ id, authorize, files: null, capabilities, chat, decodeRefusal })
  return { ...plain, specialise: (account, model) => ofAccount(plain, account, model) }
}

/** Vertex AI. */
export const vertex: Provider.Provider = make({ id: "vertex" })
