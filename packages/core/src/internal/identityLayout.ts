/**
 * The bytes of an identity, before sealing: a version byte, the 16 bytes of the UUID, then the fields in fixed order.
 * The kind is not among them: it is in the prefix of the identifier and authenticated with the seal.
 */
import * as Option from "effect/Option"

import { concat } from "../Bytes.ts"
import type { FileIdentity, Identity, IdentityOfKind, JobIdentity, Kind } from "../UnifiedId.ts"
import * as Uuid from "../Uuid.ts"
import { ByteReader, nullableText, text, varint } from "./binary.ts"

const layoutVersion = 1

const fields = (identity: Identity): ReadonlyArray<Uint8Array> => {
  switch (identity._tag) {
    case "File":
      return [
        text(identity.contentType),
        varint(identity.models.length),
        ...identity.models.map(text),
        nullableText(identity.providerFileId),
        nullableText(identity.deployment)
      ]
    case "Upload":
      return []
    case "Part":
      return [text(identity.upload)]
    default:
      return [text(identity.deployment), text(identity.providerId)]
  }
}

/** None when the UUID is not in canonical form. */
export const write = (identity: Identity): Option.Option<Uint8Array> =>
  Option.map(Uuid.toBytes(identity.uuid), (uuid) => concat([Uint8Array.of(layoutVersion), uuid, ...fields(identity)]))

const readModels = (reader: ByteReader): ReadonlyArray<string> => {
  const models: Array<string> = []
  for (let left = reader.varint(); left > 0 && !reader.failed; left--) models.push(reader.text())
  return models
}

const readFile = (uuid: string, reader: ByteReader): FileIdentity => ({
  _tag: "File",
  uuid,
  contentType: reader.text(),
  models: readModels(reader),
  providerFileId: reader.nullableText(),
  deployment: reader.nullableText()
})

const readJob =
  <Tag extends JobIdentity["_tag"]>(tag: Tag) =>
  (uuid: string, reader: ByteReader): JobIdentity<Tag> => ({
    _tag: tag,
    uuid,
    deployment: reader.text(),
    providerId: reader.text()
  })

const readers: { readonly [K in Kind]: (uuid: string, reader: ByteReader) => IdentityOfKind[K] } = {
  file: readFile,
  batch: readJob("Batch"),
  fine_tuning_job: readJob("FineTuningJob"),
  response: readJob("Response"),
  container: readJob("Container"),
  upload: (uuid) => ({ _tag: "Upload", uuid }),
  part: (uuid, reader) => ({ _tag: "Part", uuid, upload: reader.text() })
}

/** None for anything that {@link write} does not write for this kind. */
export const read = (kind: Kind, bytes: Uint8Array): Option.Option<Identity> => {
  const reader = new ByteReader(bytes)
  if (reader.byte() !== layoutVersion) return Option.none()
  const uuid = Uuid.fromBytes(reader.bytes(16))
  if (Option.isNone(uuid)) return Option.none()
  const identity = readers[kind](uuid.value, reader)
  return reader.isComplete ? Option.some(identity) : Option.none()
}
