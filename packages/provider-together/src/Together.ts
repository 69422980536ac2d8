/**
 * Files, batches and chat on Together's API: https://docs.together.ai/reference. Its chat has the shape of OpenAI's; its files are
 * for batches, fine-tuning and evaluations, and no call names one.
 *
 * A vendor that differs in a detail is `make({ id: "vendor" })` with that detail replaced.
 */
import { type Capabilities, noFiles } from "@omnifile/core/FileCapabilities"
import type { Provider } from "@omnifile/core/Provider"
import * as OpenAI from "@omnifile/provider-openai/OpenAI"
import { batches } from "./TogetherBatches.ts"
import { files } from "./TogetherFiles.ts"

export interface Options {
  /** What the configuration calls the provider. */
  readonly id: string
}

const images = { types: ["image/png", "image/jpeg", "image/gif", "image/webp"], maxBytes: 20_000_000 }

const capabilities: Capabilities = {
  chat: { ...noFiles, inline: [images] },
  responses: noFiles,
  messages: noFiles
}

/** A provider that speaks Together's dialect of OpenAI's wire. */
export const make = ({ id }: Options): Provider => ({
  ...OpenAI.make({ id, capabilities, responses: false, batches: false, fineTuning: false }),
  files,
  batches
})

/** Together. */
export const together: Provider = make({ id: "together" })
