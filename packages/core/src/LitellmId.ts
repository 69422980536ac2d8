/**
 * Recognition of the identifiers that LiteLLM minted, so that rows imported from it keep theirs.
 *
 * Recognising grants nothing: these identifiers are neither sealed nor signed and anyone can write one, so what they
 * carry may serve an import and must never choose a provider object for a caller.
 */
import * as Base64 from "effect/encoding/Base64"
import * as Option from "effect/Option"
import * as Result from "effect/Result"

import * as base64url from "./internal/base64url.ts"
import { fromUtf8 } from "./internal/binary.ts"
import { hexOfText, type Sha256 } from "./Sha256.ts"
import * as Uuid from "./Uuid.ts"

/** A managed file, or an output file of a batch. The first generations carried no models, or no provider file. */
export interface LitellmFile {
  readonly _tag: "File"
  readonly uuid: string
  readonly contentType: string
  readonly models: ReadonlyArray<string>
  readonly providerFileId: string | null
  readonly deployment: string | null
}

export interface LitellmBatch {
  readonly _tag: "Batch"
  readonly deployment: string | null
  readonly providerId: string
  /** Only early batch identifiers carry their output file. */
  readonly outputFileId: string | null
}

/** A job of any other type; LiteLLM used it for fine-tuning jobs. */
export interface LitellmGenericJob {
  readonly _tag: "GenericJob"
  readonly deployment: string | null
  readonly providerId: string
}

export interface LitellmVectorStore {
  readonly _tag: "VectorStore"
  readonly uuid: string
  readonly models: ReadonlyArray<string>
  readonly providerId: string
  readonly deployment: string | null
}

/** An object that was made through LiteLLM's pass-through routes. */
export interface LitellmPassthrough {
  readonly _tag: "Passthrough"
  readonly provider: string
  readonly uuid: string
  readonly providerId: string
}

/** A stored response: the older form names provider and deployment, the newer one user and team. */
export interface LitellmResponse {
  readonly _tag: "Response"
  readonly providerId: string
  readonly provider: string | null
  readonly deployment: string | null
  readonly userId: string | null
  readonly teamId: string | null
}

export interface LitellmVideo {
  readonly _tag: "Video"
  readonly provider: string | null
  readonly deployment: string | null
  readonly providerId: string
}

/** A provider's file or batch with the model name to route it by; LiteLLM kept no row for these. */
export interface LitellmModelEncoded {
  readonly _tag: "ModelEncoded"
  readonly kind: "file" | "batch"
  readonly providerId: string
  readonly model: string
}

export type LitellmIdentity =
  | LitellmFile
  | LitellmBatch
  | LitellmGenericJob
  | LitellmVectorStore
  | LitellmPassthrough
  | LitellmResponse
  | LitellmVideo
  | LitellmModelEncoded

/** Far above anything that LiteLLM minted; text from a client can be of any length. */
const maxLength = 8192

/** The value of a field `<name><separator><value>`, which starts the text or follows `;`, and ends at the next `;`. */
const field = (text: string, name: string, separator: ":" | "," = ","): string | null => {
  const label = `;${name}${separator}`
  const fields = `;${text}`
  const start = fields.indexOf(label)
  if (start === -1) return null
  const end = fields.indexOf(";", start + label.length)
  const value = fields.slice(start + label.length, end === -1 ? undefined : end)
  return value === "" ? null : value
}

/** LiteLLM writes a missing value as nothing or as Python prints it. */
const notNone = (value: string | null): string | null => (value === "None" ? null : value)

const modelNames = (text: string): ReadonlyArray<string> =>
  (field(text, "target_model_names") ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")

const file = (text: string): LitellmIdentity | undefined => {
  const uuid = field(text, "unified_id")
  // A content type may hold `;` itself (`text/csv; charset=utf-8`), so it ends where the next field starts.
  const contentTypeEnd = text.indexOf(";unified_id,")
  if (uuid === null || contentTypeEnd === -1) return undefined
  return {
    _tag: "File",
    uuid,
    contentType: text.slice(0, contentTypeEnd),
    models: modelNames(text),
    providerFileId: notNone(field(text, "llm_output_file_id")),
    deployment: notNone(field(text, "llm_output_file_model_id"))
  }
}

const vectorStore = (text: string): LitellmIdentity | undefined => {
  const uuid = field(text, "unified_id")
  const providerId = field(text, "resource_id")
  if (uuid === null || providerId === null) return undefined
  return {
    _tag: "VectorStore",
    uuid,
    models: modelNames(text),
    providerId,
    deployment: notNone(field(text, "model_id"))
  }
}

const passthrough = (text: string): LitellmIdentity | undefined => {
  const provider = field(text, "provider", ":")
  const uuid = field(text, "unified_id")
  const providerId = field(text, "raw_id")
  if (provider === null || uuid === null || providerId === null) return undefined
  return { _tag: "Passthrough", provider, uuid, providerId }
}

const job = (text: string): LitellmIdentity | undefined => {
  const deployment = notNone(field(text, "model_id", ":"))
  const batchId = field(text, "llm_batch_id", ":")
  if (batchId !== null) {
    const outputFileId = notNone(field(text, "llm_output_file_id", ":"))
    return { _tag: "Batch", deployment, providerId: batchId, outputFileId }
  }
  const providerId = field(text, "generic_response_id", ":")
  return providerId === null ? undefined : { _tag: "GenericJob", deployment, providerId }
}

const ownedResponse = (text: string): LitellmIdentity | undefined => {
  const providerId = field(text, "response_id", ":")
  if (providerId === null) return undefined
  return {
    _tag: "Response",
    providerId,
    provider: null,
    deployment: null,
    userId: notNone(field(text, "user_id", ":")),
    teamId: notNone(field(text, "team_id", ":"))
  }
}

const routed = (text: string): LitellmIdentity | undefined => {
  const provider = notNone(field(text, "custom_llm_provider", ":"))
  const deployment = notNone(field(text, "model_id", ":"))
  const videoId = field(text, "video_id", ":")
  if (videoId !== null) return { _tag: "Video", provider, deployment, providerId: videoId }
  const providerId = field(text, "response_id", ":")
  if (providerId === null) return undefined
  return { _tag: "Response", providerId, provider, deployment, userId: null, teamId: null }
}

const modelEncoded =
  (kind: "file" | "batch") =>
  (text: string): LitellmIdentity | undefined => {
    const model = field(text, "model")
    const providerIdEnd = text.indexOf(";model,")
    if (model === null || providerIdEnd === -1) return undefined
    return { _tag: "ModelEncoded", kind, providerId: text.slice(0, providerIdEnd), model }
  }

/** Standard base64 with padding, in its one spelling. */
const decodeStandard = (text: string): Uint8Array | undefined => {
  const bytes = Result.getOrUndefined(Base64.decode(text))
  return bytes !== undefined && Base64.encode(bytes) === text ? bytes : undefined
}

/** LiteLLM writes responses and videos in standard base64 and everything else in unpadded base64url. */
const decodeEither = (text: string): Uint8Array | undefined => decodeStandard(text) ?? base64url.decode(text)

/** The forms behind one prefix: how decoded text begins, and how it goes on. The first that begins alike decides. */
interface Family {
  readonly prefix: string
  readonly decode: (text: string) => Uint8Array | undefined
  readonly forms: ReadonlyArray<readonly [start: string, parse: (text: string) => LitellmIdentity | undefined]>
}

const prefixed: ReadonlyArray<Family> = [
  { prefix: "file-", decode: base64url.decode, forms: [["litellm:", modelEncoded("file")]] },
  { prefix: "batch_", decode: base64url.decode, forms: [["litellm:", modelEncoded("batch")]] },
  { prefix: "video_", decode: decodeEither, forms: [["litellm:", routed]] },
  {
    prefix: "resp_",
    decode: decodeEither,
    forms: [
      ["litellm_proxy:responses_api:", ownedResponse],
      ["litellm:", routed]
    ]
  }
]

const bare: Family = {
  prefix: "",
  decode: base64url.decode,
  forms: [
    ["litellm_proxy:responses_api:", ownedResponse],
    ["litellm_proxy:passthrough;", passthrough],
    ["litellm_proxy:vector_store;", vectorStore],
    ["litellm_proxy;", job],
    ["litellm_proxy:", file],
    ["litellm:", routed]
  ]
}

/** What an identifier of LiteLLM says, or none for text in none of its forms. Never throws. */
export const recognise = (text: string): Option.Option<LitellmIdentity> => {
  if (text.length > maxLength) return Option.none()
  const { prefix, decode, forms } = prefixed.find((family) => text.startsWith(family.prefix)) ?? bare
  const bytes = decode(text.slice(prefix.length))
  const decoded = bytes === undefined ? undefined : fromUtf8(bytes)
  if (decoded === undefined) return Option.none()
  const form = forms.find(([start]) => decoded.startsWith(start))
  if (form === undefined) return Option.none()
  const [start, parse] = form
  return Option.fromUndefinedOr(parse(decoded.slice(start.length)))
}

/**
 * The key of the row of an imported ID, and of its content: IDs of LiteLLM are longer than a name of a file may be, and
 * differ in upper and lower case.
 */
export const rowKey = (sha256: Sha256["Service"], id: string): string =>
  Uuid.fromDigest(hexOfText(sha256, `litellm\0${id}`))
