/**
 * Files, chat and responses on xAI's API: https://docs.x.ai/developers/rest-api-reference. It has the shape of OpenAI's;
 * calls name files in responses only.
 *
 * A vendor that differs in a detail is `make({ id: "vendor" })` with that detail replaced.
 */
import { anyReference, type Capabilities, noFiles } from "@omnifile/core/FileCapabilities"
import type { Provider } from "@omnifile/core/Provider"
import * as OpenAI from "@omnifile/provider-openai/OpenAI"
import { batches } from "./XaiBatches.ts"
import { files } from "./XaiFiles.ts"

export interface Options {
  /** What the configuration calls the provider. */
  readonly id: string
}

const megabyte = 1_048_576

const images = [{ types: ["image/png", "image/jpeg"], maxBytes: 20 * megabyte }]

/** Other files than images have to be uploaded, or stand at a public address. */
const capabilities: Capabilities = {
  chat: { ...noFiles, inline: images },
  responses: { ...anyReference, inline: images },
  messages: noFiles
}

/** A provider that speaks xAI's dialect of OpenAI's wire. */
export const make = ({ id }: Options): Provider => ({
  ...OpenAI.make({ id, capabilities, batches: false, fineTuning: false }),
  files,
  foreignBatches: batches
})

/** XAI. */
export const xai: Provider = make({ id: "xai" })
