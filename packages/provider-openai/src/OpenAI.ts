/**
 * Files and chat on OpenAI's wire: OpenAI itself, and every vendor whose API has the same shape.
 *
 * Shapes: https://platform.openai.com/docs/api-reference/files. A vendor that differs in a detail is
 * `make({ id: "vendor", ... })`.
 */
import * as Provider from "@omnifile/core/Provider"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { withJson } from "./internal/wire.ts"
import * as OpenAIBatches from "./OpenAIBatches.ts"
import * as OpenAIFiles from "./OpenAIFiles.ts"
import * as OpenAIFineTuning from "./OpenAIFineTuning.ts"
import * as OpenAIForward from "./OpenAIForward.ts"
import * as OpenAIResponses from "./OpenAIResponses.ts"
import type { PartLimits } from "./OpenAIUploads.ts"

/** What a vendor may do otherwise than OpenAI. */
export interface Options {
  /** What the configuration calls the provider. */
  readonly id: string
  /** The most bytes that a file may have; OpenAI's is 512 MB. */
  readonly maxBytes?: number | null | undefined
  /** Whether uploads take `expires_after`. */
  readonly expiresAfter?: boolean | undefined
  /** Whether larger files come by the Uploads API, and within which limits. */
  readonly parts?: PartLimits | null | undefined
}

const Refusal = Schema.Struct({
  error: Schema.Struct({
    message: Schema.String,
    type: Schema.optionalKey(Schema.NullOr(Schema.String)),
    param: Schema.optionalKey(Schema.NullOr(Schema.String)),
    code: Schema.optionalKey(Schema.NullOr(Schema.Union([Schema.String, Schema.Finite])))
  })
})

const decodeRefusalBody = Schema.decodeUnknownOption(Refusal)

/** A provider that speaks OpenAI's wire. */
export const make = ({ expiresAfter = true, id, maxBytes = 512_000_000, parts = null }: Options): Provider.Provider =>
  Provider.make({
    id,
    authorize: (_account, secret) => ({ authorization: `Bearer ${Redacted.value(secret)}` }),
    files: OpenAIFiles.make({ expiresAfter, maxBytes, parts }),
    chatCompletion: (body) => withJson("chat.completions", "/chat/completions", body),
    responses: OpenAIResponses.responses,
    batches: OpenAIBatches.batches,
    fineTuning: OpenAIFineTuning.fineTuning,
    forward: OpenAIForward.forward,
    containerFiles: OpenAIResponses.containerFiles,
    decodeRefusal: (body) =>
      Option.match(decodeRefusalBody(body), {
        onNone: () => null,
        onSome: ({ error }) => ({
          message: error.message,
          type: error.type ?? null,
          param: error.param ?? null,
          code: error.code === null || error.code === undefined ? null : String(error.code),
          meaning: null
        })
      })
  })

/** OpenAI. */
export const openai: Provider.Provider = make({
  id: "openai",
  parts: { maxBytes: 8_589_934_592, partBytes: 67_108_864 }
})
