/**
 * Files and chat on OpenAI's wire: OpenAI itself, and every vendor whose API has the same shape.
 *
 * Shapes: https://platform.openai.com/docs/api-reference/files. A vendor that differs in a detail is
 * `make({ id: "vendor", ... })`.
 */
import { anyReference, type Capabilities, type ContentRule, noFiles } from "@omnifile/core/FileCapabilities"
import * as Provider from "@omnifile/core/Provider"
import { withJson } from "@omnifile/core/ProviderCalls"
import * as Redacted from "effect/Redacted"
import * as OpenAIBatches from "./OpenAIBatches.ts"
import * as OpenAIFiles from "./OpenAIFiles.ts"
import * as OpenAIFineTuning from "./OpenAIFineTuning.ts"
import * as OpenAIForward from "./OpenAIForward.ts"
import * as OpenAIResponses from "./OpenAIResponses.ts"
import { decodeRefusal } from "./OpenAIRefusal.ts"

/** What a vendor may do otherwise than OpenAI. */
export interface Options extends Partial<
  Pick<Provider.Provider, "address" | "authorize" | "chatCompletion" | "filePart">
> {
  /** What the configuration calls the provider. */
  readonly id: string
  /** What differs in the Files API, or null if there is none. */
  readonly files?: Partial<OpenAIFiles.Options> | null | undefined
  /** What files calls may have. Default: as OpenAI's. */
  readonly capabilities?: Capabilities
  /** Whether it speaks these too. Default: yes. */
  readonly responses?: boolean | undefined
  readonly batches?: boolean | undefined
  readonly fineTuning?: boolean | undefined
}

const megabyte = 1_000_000

const images: ContentRule = { types: ["image/png", "image/jpeg", "image/gif", "image/webp"], maxBytes: 50 * megabyte }
const pdf: ContentRule = { types: ["application/pdf"], maxBytes: 50 * megabyte }

const capabilities: Capabilities = {
  chat: { ...anyReference, inline: [pdf, images], requestBytes: 50 * megabyte },
  responses: {
    ...anyReference,
    inline: [pdf, images, { types: ["text/*"], maxBytes: 50 * megabyte }],
    requestBytes: 50 * megabyte
  },
  messages: noFiles
}

/** A provider that speaks OpenAI's wire. */
export const make = ({
  batches = true,
  files = {},
  fineTuning = true,
  responses = true,
  ...options
}: Options): Provider.Provider =>
  Provider.make({
    authorize: (_account, secret) => ({ authorization: `Bearer ${Redacted.value(secret)}` }),
    capabilities,
    chatCompletion: (body) => withJson("chat.completions", "/chat/completions", body),
    decodeRefusal,
    forward: OpenAIForward.forward,
    ...options,
    files: files === null ? null : OpenAIFiles.make(files),
    responses: responses ? OpenAIResponses.responses : null,
    containerFiles: responses ? OpenAIResponses.containerFiles : null,
    batches: batches && files !== null ? OpenAIBatches.batches : null,
    fineTuning: fineTuning && files !== null ? OpenAIFineTuning.fineTuning : null
  })

/** OpenAI. */
export const openai: Provider.Provider = make({
  id: "openai",
  files: { parts: { maxBytes: 8_589_934_592, partBytes: 67_108_864 } }
})
