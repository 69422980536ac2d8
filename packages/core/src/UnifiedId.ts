/**
 * Unified identifiers: the text by which clients know a managed file or a job, whatever provider holds it.
 *
 * An identifier is the prefix of its kind (OpenAI's own, because clients recognise files by it) followed by unpadded
 * base64url. It carries the whole identity of what it names, yet grants nothing: whoever presents it still needs a row
 * in the registry and the right to see it.
 *
 * **Size.** A sealed identifier has p + ⌈4(34 + f + b) / 3⌉ characters: p for the prefix, b for the UTF-8 bytes of all
 * its texts, f for one length byte a text (more from 127 bytes on) and, in a file's, one for the number of models. A
 * PDF that OpenAI holds for one model takes about 140 characters, the same file for 30 models about 800.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

import * as base64url from "./internal/base64url.ts"
import * as binary from "./internal/binary.ts"
import * as identityLayout from "./internal/identityLayout.ts"
import * as identityText from "./internal/identityText.ts"
import { LruCache } from "./internal/lruCache.ts"
import * as Sealer from "./internal/sealer.ts"

/** The prefix of each kind of identifier; no prefix is the start of another. */
export const prefixes = {
  file: "file-",
  batch: "batch_",
  fine_tuning_job: "ftjob-",
  response: "resp_",
  container: "cntr_",
  upload: "upload_",
  part: "part_"
} as const

/** What an identifier names. Identifiers of different kinds are never interchangeable. */
export type Kind = keyof typeof prefixes

/** The longest identifier that is made or accepted, in characters. */
export const maxLength = 8192

/**
 * What a file identifier carries. `providerFileId` and `deployment` tell where the first copy lies; they are null when
 * there was none yet, which is not the same as empty.
 */
export interface FileIdentity {
  readonly _tag: "File"
  /** In canonical form: 36 characters, lower case. */
  readonly uuid: string
  readonly contentType: string
  /** The model names that the client asked for, in the client's order. */
  readonly models: ReadonlyArray<string>
  readonly providerFileId: string | null
  readonly deployment: string | null
}

type JobTag = "Batch" | "FineTuningJob" | "Response" | "Container"

/** What the identifier of a job (a batch, fine-tuning job, stored response or container of tools) carries. */
export interface JobIdentity<Tag extends JobTag = JobTag> {
  readonly _tag: Tag
  /** In canonical form: 36 characters, lower case. */
  readonly uuid: string
  /** The deployment that the job runs on. */
  readonly deployment: string
  /** The provider's own identifier of the job. */
  readonly providerId: string
}

/** What the identifier of an upload in parts carries. */
export interface UploadIdentity {
  readonly _tag: "Upload"
  /** In canonical form: 36 characters, lower case. */
  readonly uuid: string
}

/** What the identifier of a part of an upload carries. */
export interface PartIdentity {
  readonly _tag: "Part"
  /** In canonical form: 36 characters, lower case. */
  readonly uuid: string
  /** The UUID of the upload. */
  readonly upload: string
}

export interface IdentityOfKind {
  readonly file: FileIdentity
  readonly batch: JobIdentity<"Batch">
  readonly fine_tuning_job: JobIdentity<"FineTuningJob">
  readonly response: JobIdentity<"Response">
  readonly container: JobIdentity<"Container">
  readonly upload: UploadIdentity
  readonly part: PartIdentity
}

export type Identity = FileIdentity | JobIdentity | UploadIdentity | PartIdentity

const kinds = {
  File: "file",
  Batch: "batch",
  FineTuningJob: "fine_tuning_job",
  Response: "response",
  Container: "container",
  Upload: "upload",
  Part: "part"
} as const satisfies Record<Identity["_tag"], Kind>

/** The kind of identifier that an identity is encoded as. */
export const kindOf = (identity: Identity): Kind => kinds[identity._tag]

/**
 * Why an identifier cannot be made:
 * - `EmptySecret`: a secret of the installation is the empty string.
 * - `InvalidUuid`: the UUID of the identity is not in canonical form.
 * - `TooLong`: the identifier would exceed {@link maxLength}.
 */
export class UnifiedIdError extends Data.TaggedError("UnifiedIdError")<{
  readonly reason: "EmptySecret" | "InvalidUuid" | "TooLong"
  readonly message: string
}> {}

/** Secrets of an installation: identifiers are made under `current`, and those made under `previous` stay valid. */
export interface Secrets {
  readonly current: Redacted.Redacted<string>
  readonly previous?: ReadonlyArray<Redacted.Redacted<string>> | undefined
}

export class UnifiedIds extends Context.Service<
  UnifiedIds,
  {
    /**
     * The identifier of an identity: always the same one for equal identities under one secret.
     *
     * A lone surrogate in a field is written as U+FFFD, as wherever text becomes UTF-8; every other string comes back
     * unchanged. Throws {@link UnifiedIdError} (`InvalidUuid`, `TooLong`), so fields that a client chose must have
     * been bounded before.
     */
    readonly encode: (identity: Identity) => string
    /**
     * The identity in an identifier of this kind, or none for everything else: text of another kind, altered or
     * foreign, cut short, too long, or in another spelling of the same bytes. Never throws and touches no storage.
     * Results are remembered, so an identifier that was seen lately costs one map lookup; they are frozen.
     */
    readonly decode: <K extends Kind>(kind: K, text: string) => Option.Option<IdentityOfKind[K]>
  }
>()("@omnifile/core/UnifiedId") {
  /**
   * Sealed identifiers (AES-SIV under a key derived from the installation's secret): nobody without the secret can
   * read, forge or alter one. To rotate, make the old secret a `previous` one; identifiers under it fall silent when
   * it is dropped.
   */
  static readonly layerSealed = (secrets: Secrets): Layer.Layer<UnifiedIds, UnifiedIdError> =>
    Layer.effect(UnifiedIds, makeSealed(secrets))

  /**
   * Identifiers that anyone can read by undoing the base64url, and forge. For debugging only. They are as strict as
   * sealed ones about kind and spelling.
   */
  static readonly layerPlain: Layer.Layer<UnifiedIds> = Layer.sync(UnifiedIds, () => make(plainFormat))
}

/** How the bytes behind the prefix are made from an identity, and back. */
interface Format {
  readonly write: (kind: Kind, identity: Identity) => Option.Option<Uint8Array>
  readonly read: (kind: Kind, body: Uint8Array) => Option.Option<Identity>
}

const plainFormat: Format = {
  write: (kind, identity) => Option.map(identityText.write(kind, identity), binary.utf8),
  read: (kind, body) =>
    Option.flatMap(Option.fromUndefinedOr(binary.fromUtf8(body)), (line) => identityText.read(kind, line))
}

const sealedFormat = (sealer: Sealer.Sealer): Format => ({
  write: (kind, identity) =>
    Option.map(identityLayout.write(identity), (message) => sealer.seal(prefixes[kind], message)),
  read: (kind, body) =>
    Option.flatMap(Option.fromUndefinedOr(sealer.open(prefixes[kind], body)), (message) =>
      identityLayout.read(kind, message)
    )
})

const makeSealed = Effect.fnUntraced(function* (secrets: Secrets) {
  const current = Redacted.value(secrets.current)
  const previous = (secrets.previous ?? []).map(Redacted.value)
  if ([current, ...previous].includes("")) {
    return yield* new UnifiedIdError({ reason: "EmptySecret", message: "A secret for unified IDs is empty" })
  }
  return make(sealedFormat(Sealer.make(current, previous)))
})

const rememberedIdentities = 10_000

const isOfKind = <K extends Kind>(
  kind: K,
  decoded: Option.Option<Identity>
): decoded is Option.Some<IdentityOfKind[K]> => Option.isSome(decoded) && kindOf(decoded.value) === kind

const freeze = (identity: Identity): Identity => {
  if (identity._tag === "File") Object.freeze(identity.models)
  return Object.freeze(identity)
}

const make = (format: Format): UnifiedIds["Service"] => {
  const remembered = new LruCache<Option.Option<Identity>>(rememberedIdentities)

  const decodeNew = (kind: Kind, text: string): Option.Option<Identity> => {
    const prefix = prefixes[kind]
    if (!text.startsWith(prefix)) return Option.none()
    const body = base64url.decode(text.slice(prefix.length))
    if (body === undefined) return Option.none()
    const decoded = Option.map(format.read(kind, body), freeze)
    // The text may be a slice of a whole request body, which it would keep alive as a key: a fresh copy does not.
    if (Option.isSome(decoded)) remembered.set(prefix + base64url.encode(body), decoded)
    return decoded
  }

  return {
    encode: (identity) => {
      const kind = kindOf(identity)
      const body = Option.getOrThrowWith(
        format.write(kind, identity),
        () => new UnifiedIdError({ reason: "InvalidUuid", message: `Not a UUID in canonical form: ${identity.uuid}` })
      )
      const text = prefixes[kind] + base64url.encode(body)
      if (text.length > maxLength) {
        throw new UnifiedIdError({ reason: "TooLong", message: `The ID would have ${text.length} characters` })
      }
      return text
    },
    decode: (kind, text) => {
      if (text.length > maxLength) return Option.none()
      const decoded = remembered.get(text) ?? decodeNew(kind, text)
      return isOfKind(kind, decoded) ? decoded : Option.none()
    }
  }
}
