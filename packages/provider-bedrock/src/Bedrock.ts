/**
 * Chat on Amazon Bedrock, by its Converse API: https://docs.aws.amazon.com/bedrock. Files go within the calls, since there
 * is no place for them but the customer's own buckets. The base URL is that of a region's runtime, without a path.
 *
 * The key is one of Bedrock's own, which is sent as it is. A signature of AWS needs the hash of the whole body before the
 * first byte of it goes out, which a file that is streamed into the call does not have.
 */
import type { Capabilities, UseCapabilities } from "@omnifile/core/FileCapabilities"
import { noFiles } from "@omnifile/core/FileCapabilities"
import * as Provider from "@omnifile/core/Provider"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { chat } from "./BedrockChat.ts"

export interface Options {
  /** What the configuration calls the provider. */
  readonly id: string
}

const megabyte = 1_000_000

/**
 * https://docs.aws.amazon.com/bedrock/latest/userguide/inference-api-restrictions.html. A PDF may be as large as the
 * request on the newer models; the older ones refuse more than 4.5 MB by themselves.
 */
const converse: UseCapabilities = {
  reference: [],
  inline: [
    { types: ["application/pdf"], maxBytes: 20 * megabyte },
    {
      types: [
        "text/plain",
        "text/csv",
        "text/html",
        "text/markdown",
        "application/msword",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.ms-excel",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
      ],
      maxBytes: 4.5 * megabyte
    },
    { types: ["image/jpeg", "image/png", "image/gif", "image/webp"], maxBytes: 3.75 * megabyte }
  ],
  requestBytes: 20 * megabyte
}

const capabilities: Capabilities = { chat: converse, responses: converse, messages: noFiles }

const Message = Schema.Struct({ message: Schema.String, __type: Schema.optionalKey(Schema.String) })

/** Of a call that is refused, or of an answer that ends with an error. */
const decodeRefusalBody = Schema.decodeUnknownOption(Schema.Union([Message, Schema.Struct({ error: Message })]))

const decodeRefusal: Provider.Provider["decodeRefusal"] = (body, { status }) =>
  Option.match(decodeRefusalBody(body), {
    onNone: () => null,
    onSome: (refusal) => {
      const { __type: type = null, message } = "error" in refusal ? refusal.error : refusal
      return { message, type, param: null, code: null, meaning: status === 413 ? "too_large" : null }
    }
  })

/** A provider that speaks Bedrock's wire. */
export const make = ({ id }: Options): Provider.Provider =>
  Provider.make({
    id,
    authorize: (_account, secret) => ({ authorization: `Bearer ${Redacted.value(secret)}` }),
    files: null,
    capabilities,
    chat,
    decodeRefusal
  })

/** Amazon Bedrock. */
export const bedrock: Provider.Provider = make({ id: "bedrock" })
