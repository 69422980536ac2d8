/** One bucket: its client, and what every request to it has to say. */
import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3"
import * as Redacted from "effect/Redacted"

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: Redacted.Redacted<string>
  readonly sessionToken?: Redacted.Redacted<string> | undefined
}

/** How the server encrypts what it keeps. */
export type ServerSideEncryption =
  | { readonly _tag: "S3" }
  /** Without `keyId`, the account's own key for S3. */
  | { readonly _tag: "Kms"; readonly keyId?: string | undefined }

export interface Options {
  readonly bucket: string
  /** Before every key, such as `blobs/`. Nothing else may be kept under it. Default: none. */
  readonly prefix?: string | undefined
  /** Default: what the AWS SDK finds in its surroundings. */
  readonly region?: string | undefined
  /** The URL of a server that is compatible with S3. Default: AWS. */
  readonly endpoint?: string | undefined
  /** Whether the bucket is in the path of URLs rather than in the name of the host. Default: false. */
  readonly pathStyle?: boolean | undefined
  /** Default: what the AWS SDK finds in its surroundings (environment, profile, role of the instance). */
  readonly credentials?: Credentials | undefined
  /** Default: what the bucket is set to. */
  readonly encryption?: ServerSideEncryption | undefined
  /** What the server compares content with when it takes it. Default: `CRC32`; `none` for servers that know none. */
  readonly checksum?: "CRC32" | "SHA256" | "none" | undefined
  /** In bytes, at least 5 MiB. Content is uploaded in 10,000 parts at most. Default: 8 MiB. */
  readonly partSize?: number | undefined
  /** How many parts of one file are on their way at once. Each is in memory. Default: 3. */
  readonly concurrentParts?: number | undefined
  /** The age from which an upload that was never finished is aborted, in milliseconds. Default: 2 days. */
  readonly abandonedAfter?: number | undefined
}

interface EncryptionFields {
  readonly ServerSideEncryption?: "AES256" | "aws:kms"
  readonly BucketKeyEnabled?: boolean
  readonly SSEKMSKeyId?: string
}

/** Fields of requests that are the same for every object. */
export interface Bucket {
  readonly client: S3Client
  readonly prefix: string
  readonly objectOf: (key: string) => { readonly Bucket: string; readonly Key: string }
  /** For requests that make an object. */
  readonly encryption: EncryptionFields
  readonly checksum: { readonly ChecksumAlgorithm?: "CRC32" | "SHA256" }
  readonly name: string
}

const encryptionFields = (encryption: ServerSideEncryption | undefined): EncryptionFields => {
  switch (encryption?._tag) {
    case "S3":
      return { ServerSideEncryption: "AES256" }
    case "Kms":
      return {
        ServerSideEncryption: "aws:kms",
        BucketKeyEnabled: true,
        ...(encryption.keyId === undefined ? {} : { SSEKMSKeyId: encryption.keyId })
      }
    case undefined:
      return {}
  }
}

const credentialFields = ({ accessKeyId, secretAccessKey, sessionToken }: Credentials) => ({
  accessKeyId,
  secretAccessKey: Redacted.value(secretAccessKey),
  ...(sessionToken === undefined ? {} : { sessionToken: Redacted.value(sessionToken) })
})

/** Readers keep a connection as long as they read. */
const agent = { keepAlive: true, maxSockets: 256 }

const clientConfig = (options: Options): S3ClientConfig => ({
  ...(options.region === undefined ? {} : { region: options.region }),
  ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
  ...(options.credentials === undefined ? {} : { credentials: credentialFields(options.credentials) }),
  forcePathStyle: options.pathStyle ?? false,
  maxAttempts: 5,
  requestChecksumCalculation: options.checksum === "none" ? "WHEN_REQUIRED" : "WHEN_SUPPORTED",
  responseChecksumValidation: options.checksum === "none" ? "WHEN_REQUIRED" : "WHEN_SUPPORTED",
  requestHandler: { connectionTimeout: 10_000, socketTimeout: 60_000, httpsAgent: agent, httpAgent: agent }
})

/** The client is open until it is destroyed. */
export const open = (options: Options): Bucket => {
  const prefix = options.prefix ?? ""
  const checksum = options.checksum ?? "CRC32"
  return {
    client: new S3Client(clientConfig(options)),
    name: options.bucket,
    prefix,
    objectOf: (key) => ({ Bucket: options.bucket, Key: prefix + key }),
    encryption: encryptionFields(options.encryption),
    checksum: checksum === "none" ? {} : { ChecksumAlgorithm: checksum }
  }
}
