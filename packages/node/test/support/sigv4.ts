/** Signatures of AWS as its own library makes them, to compare with those that were sent. */
import { SignatureV4 } from "@smithy/signature-v4"
import { createHash, createHmac, type Hash, type Hmac } from "node:crypto"
import type { IncomingHttpHeaders } from "node:http"

class Sha256 {
  readonly #hash: Hash | Hmac

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash =
      secret === undefined
        ? createHash("sha256")
        : createHmac("sha256", typeof secret === "string" ? secret : bytesOf(secret))
  }

  update(chunk: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(typeof chunk === "string" ? chunk : bytesOf(chunk))
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }

  reset(): void {}
}

const bytesOf = (data: ArrayBuffer | ArrayBufferView): Uint8Array =>
  ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data)

export interface SignedRequest {
  readonly method: string
  /** As it was sent, without decoding. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Key {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

const timeOf = (stamp: string): Date =>
  new Date(stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"))

/** What the header `authorization` of the request has to be. */
export const authorizationOf = async (
  { body, headers, method, path }: SignedRequest,
  key: Key,
  { region, service }: { readonly region: string; readonly service: string }
): Promise<string | undefined> => {
  const signer = new SignatureV4({ credentials: key, region, service, sha256: Sha256, applyChecksum: true })
  const { host = "", "x-amz-date": date = "", "x-amz-content-sha256": hash } = headers
  const signed = await signer.sign(
    {
      method,
      protocol: "http:",
      hostname: host,
      path,
      query: {},
      headers: { host, ...(typeof hash === "string" ? { "x-amz-content-sha256": hash } : {}) },
      body
    },
    { signingDate: timeOf(String(date)) }
  )
  return signed.headers["authorization"]
}
