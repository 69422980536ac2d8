/**
 * Files on the Gemini API: https://ai.google.dev/api. The base URL is the bare origin; the version of the API is `v1beta`
 * unless the account says otherwise.
 *
 * A vendor that differs in a detail is `make({ id: "vendor" })` with that detail replaced.
 */
import type { Account } from "@omnifile/core/Account"
import type { Capabilities, UseCapabilities } from "@omnifile/core/FileCapabilities"
import { noFiles } from "@omnifile/core/FileCapabilities"
import * as Provider from "@omnifile/core/Provider"
import type { ProviderCall, RefusalMeaning } from "@omnifile/core/Provider"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { batches } from "./GeminiBatches.ts"
import { chat } from "./GeminiChat.ts"
import { files } from "./GeminiFiles.ts"

export interface Options {
  /** What the configuration calls the provider. */
  readonly id: string
}

const megabyte = 1_000_000

/** https://ai.google.dev/gemini-api/docs/file-input-methods */
const pdf = { types: ["application/pdf"], maxBytes: 50 * megabyte }
const media = ["image/*", "audio/*", "video/*", "text/*", "application/json", "application/rtf"]

const generation: UseCapabilities = {
  reference: [pdf, { types: media, maxBytes: 2_000 * megabyte }],
  inline: [pdf, { types: media, maxBytes: 100 * megabyte }],
  requestBytes: 100 * megabyte
}

const capabilities: Capabilities = { chat: generation, responses: generation, messages: noFiles }

const Refusal = Schema.Struct({
  error: Schema.Struct({
    message: Schema.String,
    status: Schema.optionalKey(Schema.String),
    details: Schema.optionalKey(Schema.Array(Schema.Record(Schema.String, Schema.Unknown)))
  })
})

// Some calls answer their errors as an array of one.
const decodeRefusalBody = Schema.decodeUnknownOption(Schema.Union([Refusal, Schema.Tuple([Refusal])]))

/** A file that is gone is refused as one of somebody else is, with the status of a key that may not do something. */
const isGone = (message: string): boolean => /permission to access the File|File .* may not exist/i.test(message)

/** A file is called by its whole name, as it is elsewhere: what stands for it is put in place of that. */
const withNames = (message: string): string =>
  message.replaceAll(/\bFile ([a-z0-9-]{1,40}) (?=or it may not exist)/g, "File files/$1 ")

const meaningOf = (status: number, message: string, details: string): RefusalMeaning | null => {
  if (status === 403 && isGone(message)) return "gone"
  if (status === 400 && (details.includes("API_KEY_INVALID") || /API key not valid/i.test(message)))
    return "credentials"
  if (status === 429 && /FileStorage|file_storage/.test(details + message)) return "quota"
  return status === 413 || (status === 400 && /payload size exceeds|exceeds the .*(size|limit)/i.test(message))
    ? "too_large"
    : null
}

const decodeRefusal: Provider.Provider["decodeRefusal"] = (body, { status }) =>
  Option.match(decodeRefusalBody(body), {
    onNone: () => null,
    onSome: (refusal) => {
      const { details = [], message: said, status: type } = ("error" in refusal ? refusal : refusal[0]).error
      const message = withNames(said)
      const reason = details.map((detail) => detail["reason"]).find((value) => typeof value === "string")
      return {
        message,
        type: type ?? null,
        param: null,
        code: reason ?? null,
        meaning: meaningOf(status, message, JSON.stringify(details))
      }
    }
  })

/**
 * Puts the account's version of the API in the place of the usual one. An address for an upload tells by itself whose it
 * is, and gets the key only where the account's own calls go.
 */
const address = (call: ProviderCall, { apiVersion, baseUrl }: Account): ProviderCall => {
  if (call.url !== undefined) {
    return { ...call, credentials: URL.parse(call.url)?.origin === URL.parse(baseUrl)?.origin }
  }
  return apiVersion === null ? call : { ...call, path: call.path.replace("/v1beta/", `/${apiVersion}/`) }
}

/** A provider that speaks Gemini's wire. */
export const make = ({ id }: Options): Provider.Provider =>
  Provider.make({
    id,
    authorize: (_account, secret) => ({ "x-goog-api-key": Redacted.value(secret) }),
    address,
    files,
    capabilities,
    chat,
    foreignBatches: batches,
    decodeRefusal
  })

/** The Gemini API. */
export const gemini: Provider.Provider = make({ id: "gemini" })
