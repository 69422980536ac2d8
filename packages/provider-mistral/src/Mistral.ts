/**
 * Files and chat on Mistral's API: https://docs.mistral.ai/api. Its chat has the shape of OpenAI's, but for the part that
 * names a file and for fields of OpenAI's own.
 *
 * A vendor that differs in a detail is `make({ id: "vendor" })` with that detail replaced.
 */
import { anyReference, type Capabilities, noFiles } from "@omnifile/core/FileCapabilities"
import { isObject } from "@omnifile/core/Json"
import type { Provider } from "@omnifile/core/Provider"
import { withJson } from "@omnifile/core/ProviderCalls"
import * as OpenAI from "@omnifile/provider-openai/OpenAI"
import { decodeRefusal } from "@omnifile/provider-openai/OpenAIRefusal"
import { batches } from "./MistralBatches.ts"
import * as MistralChat from "./MistralChat.ts"
import { files } from "./MistralFiles.ts"

export interface Options {
  /** What the configuration calls the provider. */
  readonly id: string
}

const images = { types: ["image/png", "image/jpeg", "image/gif", "image/webp"], maxBytes: 10_000_000 }

const capabilities: Capabilities = {
  chat: { ...anyReference, inline: [images] },
  responses: noFiles,
  messages: noFiles
}

/** A provider that speaks Mistral's wire. */
export const make = ({ id }: Options): Provider => ({
  ...OpenAI.make({
    id,
    capabilities,
    // OpenAI has the ID in an object of its own.
    filePart: (_part, { reference }) => ({ type: "file", file_id: reference }),
    chatCompletion: (body) => withJson("chat.completions", "/chat/completions", MistralChat.bodyOf(body)),
    responses: false,
    batches: false,
    fineTuning: false
  }),
  // What its validator says stands where elsewhere the message is.
  decodeRefusal: (body, at) => decodeRefusal(isObject(body) && isObject(body["message"]) ? body["message"] : body, at),
  files,
  foreignBatches: batches
})

/** Mistral. */
export const mistral: Provider = make({ id: "mistral" })
