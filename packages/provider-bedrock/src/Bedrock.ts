/**
 * Chat on Amazon Bedrock, by its Converse API: https://docs.aws.amazon.com/bedrock. The base URL is that of a region's
 * runtime, without a path.
 *
 * There is no place for files but the customer's own bucket. Where an account has one, Amazon's own models get files from
 * there; all others, and all models of an account without a bucket, get them within the calls.
 */
import type { Account } from "@omnifile/core/Account"
import * as ContentType from "@omnifile/core/ContentType"
import type { Capabilities, UseCapabilities } from "@omnifile/core/FileCapabilities"
import { noFiles, ruleFor } from "@omnifile/core/FileCapabilities"
import * as Provider from "@omnifile/core/Provider"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as AwsSignature from "./AwsSignature.ts"
import { chat } from "./BedrockChat.ts"
import * as S3Answers from "./S3Answers.ts"
import * as S3Files from "./S3Files.ts"

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

/** https://docs.aws.amazon.com/nova/latest/userguide/modalities.html */
const nova: UseCapabilities = {
  ...converse,
  reference: [
    {
      types: [
        "application/pdf",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "image/jpeg",
        "image/png",
        "image/gif",
        "image/webp"
      ],
      maxBytes: 2_000 * megabyte
    },
    {
      types: [
        "video/mp4",
        "video/quicktime",
        "video/x-matroska",
        "video/webm",
        "video/x-flv",
        "video/mpeg",
        "video/x-ms-wmv",
        "video/3gpp"
      ],
      maxBytes: 1_000 * megabyte
    },
    {
      types: [
        "text/plain",
        "text/csv",
        "text/html",
        "text/markdown",
        "application/msword",
        "application/vnd.ms-excel",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
      ],
      maxBytes: 4.5 * megabyte
    }
  ]
}

const novaCapabilities: Capabilities = { chat: nova, responses: nova, messages: noFiles }

/** Of inference profiles, only those of a system name their model. */
const isNova = (model: string): boolean => /(?:^|[./])amazon\.nova-/.test(model)

/** What no model would be given is not worth a copy. */
const takes: Provider.FileProtocol["takes"] = ({ mediaType }) =>
  ruleFor(nova.reference, ContentType.bare(mediaType)) !== undefined

const Message = Schema.Struct({ message: Schema.String, __type: Schema.optionalKey(Schema.String) })

/** Of a call that is refused, or of an answer that ends with an error. */
const decodeRefusalBody = Schema.decodeUnknownOption(Schema.Union([Message, Schema.Struct({ error: Message })]))

/** S3 speaks XML, of which only the message is anybody's business: the rest tells what was signed, and by whom. */
const decodeXml = (text: string): Provider.Refusal => ({
  message: S3Answers.textOf(text, "Message") ?? "The bucket refused the request.",
  type: S3Answers.textOf(text, "Code") ?? null,
  param: null,
  code: null,
  meaning: null
})

/** Whether it is about an object of S3, which may not be there. */
const isAboutFile = (message: string): boolean => /\bs3\b/i.test(message)

const meaningOf = (status: number, message: string): Provider.RefusalMeaning | null => {
  if (status === 413) return "too_large"
  return (status === 400 || status === 403 || status === 404) && isAboutFile(message) ? "file" : null
}

const decodeJson = (body: unknown, status: number): Provider.Refusal | null =>
  Option.match(decodeRefusalBody(body), {
    onNone: () => null,
    onSome: (refusal) => {
      const { __type: type = null, message } = "error" in refusal ? refusal.error : refusal
      return { message, type, param: null, code: null, meaning: meaningOf(status, message) }
    }
  })

const decodeRefusal: Provider.Provider["decodeRefusal"] = (body, { status }) =>
  typeof body === "string" ? decodeXml(body) : decodeJson(body, status)

const ofAccount = (plain: Provider.Provider, { bucket }: Account, model: string | null): Provider.Provider => {
  if (bucket === null) return plain
  const referring = model === null || isNova(model)
  return {
    ...plain,
    files: S3Files.make(bucket, takes),
    capabilities: referring ? novaCapabilities : capabilities
  }
}

/** A provider that speaks Bedrock's wire. */
export const make = ({ id }: Options): Provider.Provider => {
  const plain = Provider.make({
    id,
    authorize: AwsSignature.authorize,
    sign: AwsSignature.sign,
    files: null,
    capabilities,
    chat,
    decodeRefusal
  })
  return { ...plain, specialise: (account, model) => ofAccount(plain, account, model) }
}

/** Amazon Bedrock. */
export const bedrock: Provider.Provider = make({ id: "bedrock" })
