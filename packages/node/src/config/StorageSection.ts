/** What the section `storage` of a configuration says about content beside where it is. */
import type { EncryptionKey } from "@omnifile/core/EncryptedBlobs"
import type * as AzureBlobs from "@omnifile/storage-azure-blob/AzureBlobs"
import type * as GcsBlobs from "@omnifile/storage-gcs/GcsBlobs"
import type * as S3Blobs from "@omnifile/storage-s3/S3Blobs"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { resolve } from "node:path"
import * as Field from "./Field.ts"

/** Where the server of a bucket is, and how it is spoken to. */
export const S3 = Schema.Struct({
  region: Schema.optional(Field.name(64)),
  endpoint: Schema.optional(Field.baseUrl),
  path_style: Schema.optional(Field.flag),
  access_key_id: Schema.optional(Field.credential),
  secret_access_key: Schema.optional(Field.credential),
  encryption: Schema.optional(Field.choice("sse-s3", "sse-kms")),
  kms_key_id: Schema.optional(Field.name(2048)),
  checksum: Schema.optional(Field.choice("crc32", "sha256", "none")),
  part_size: Schema.optional(Field.size)
})

const checksums = { crc32: "CRC32", sha256: "SHA256", none: "none" } as const

const toEncryption = ({ encryption, kms_key_id }: (typeof S3)["Type"]): S3Blobs.ServerSideEncryption | undefined => {
  if (encryption === undefined) return undefined
  return encryption === "sse-s3" ? { _tag: "S3" } : { _tag: "Kms", keyId: kms_key_id }
}

export type S3Settings = Omit<S3Blobs.Options, "bucket" | "prefix">

export const toS3Settings = (fields: (typeof S3)["Type"]): S3Settings => {
  const { access_key_id, checksum, secret_access_key } = fields
  return {
    region: fields.region,
    endpoint: fields.endpoint,
    pathStyle: fields.path_style,
    credentials:
      access_key_id === undefined || secret_access_key === undefined
        ? undefined
        : { accessKeyId: Redacted.value(access_key_id), secretAccessKey: secret_access_key },
    encryption: toEncryption(fields),
    checksum: checksum === undefined ? undefined : checksums[checksum],
    partSize: fields.part_size
  }
}

/** How an account of Azure Blob Storage is opened. */
export const Azure = Schema.Struct({
  account_key: Schema.optional(Field.credential),
  sas_token: Schema.optional(Field.credential),
  block_size: Schema.optional(Field.size)
})

export type AzureSettings = Pick<AzureBlobs.Options, "blockSize" | "credential">

/** Undefined without a credential, which a rule has told. */
export const toAzureSettings = (fields: (typeof Azure)["Type"]): AzureSettings | undefined => {
  const { account_key, block_size: blockSize, sas_token } = fields
  if (account_key !== undefined) return { credential: { _tag: "AccountKey", key: account_key }, blockSize }
  return sas_token === undefined ? undefined : { credential: { _tag: "SasToken", token: sas_token }, blockSize }
}

/** How a bucket of Google Cloud Storage is opened. */
export const Gcs = Schema.Struct({
  key_file: Schema.optional(Field.name(4096)),
  chunk_size: Schema.optional(Field.size)
})

export type GcsSettings = Pick<GcsBlobs.Options, "chunkSize" | "keyFile">

export const toGcsSettings = ({ chunk_size, key_file }: (typeof Gcs)["Type"], cwd: string): GcsSettings => ({
  keyFile: key_file === undefined ? undefined : resolve(cwd, key_file),
  chunkSize: chunk_size
})

const keyId: Field.Field<string> = Field.make((input) =>
  typeof input === "string" && /^[A-Za-z0-9._-]{1,16}$/.test(input)
    ? Result.succeed(input)
    : Result.fail("must be 1 to 16 letters, digits, dots, dashes or underscores, in quotes if it looks like a number")
)

/** 32 bytes in base64. */
const keySecret: Field.Field<Redacted.Redacted<Uint8Array>> = Field.fromSecretText((text) =>
  /^[A-Za-z0-9+/]{43}=$/.test(text)
    ? Result.succeed(Redacted.make(new Uint8Array(Buffer.from(text, "base64"))))
    : Result.fail("must be 32 bytes in base64, such as `openssl rand -base64 32` prints")
)

/** The keys under which content is encrypted before it is stored; the first is for new content. */
export const EncryptionKeys = Schema.NonEmptyArray(Schema.Struct({ id: keyId, secret: keySecret }))

export type EncryptionKeys = readonly [EncryptionKey, ...ReadonlyArray<EncryptionKey>]
