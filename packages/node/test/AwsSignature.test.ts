/** Signatures of calls to Bedrock, against those that AWS's own library makes. */
import { assert, describe, it } from "@effect/vitest"
import { Account, defaultPolicy } from "@omnifile/core/Account"
import type { ProviderCall, SignedRequest } from "@omnifile/core/Provider"
import { bedrock } from "@omnifile/provider-bedrock/Bedrock"
import * as Redacted from "effect/Redacted"
import { createHash } from "node:crypto"
import * as Sigv4 from "./support/sigv4.ts"

const baseUrl = "https://bedrock-runtime.eu-central-1.amazonaws.com"
const key = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" }
const temporary = { ...key, sessionToken: "IQoJb3JpZ2luX2VjEXAMPLE//==" }
const written = (secret: typeof key & { readonly sessionToken?: string }) =>
  JSON.stringify({
    AccessKeyId: secret.accessKeyId,
    SecretAccessKey: secret.secretAccessKey,
    SessionToken: secret.sessionToken
  })

const account = (fields: Partial<Account> = {}) =>
  new Account({
    id: "main",
    provider: "bedrock",
    baseUrl,
    apiKey: Redacted.make(""),
    headers: {},
    exclusive: false,
    policy: defaultPolicy,
    auth: "aws",
    region: "eu-central-1",
    ...fields
  })

const body = '{"messages":[]}'
const sha256 = createHash("sha256").update(body).digest("hex")

const call = (fields: Partial<ProviderCall>): ProviderCall => ({
  name: "chat.completions",
  method: "POST",
  path: "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse",
  headers: { "content-type": "application/json" },
  body: Buffer.from(body),
  idempotent: false,
  ...fields
})

const headersOf = (secret: string, of: Account = account(), fields: Partial<SignedRequest> = {}) => {
  const request = { call: call({}), url: baseUrl + call({}).path, now: Date.UTC(2026, 10, 23, 4, 5, 6), digest: sha256 }
  const { sign } = bedrock
  if (sign === null) throw new TypeError("Bedrock signs")
  return sign({ ...request, ...fields }, of, Redacted.make(secret))
}

describe("a call to Bedrock", () => {
  it.each([
    ["an access key", key],
    ["a temporary access key", temporary]
  ])("is signed with %s as AWS would sign it", async (_, secret) => {
    const headers = await headersOf(written(secret))
    assert.strictEqual(headers["x-amz-date"], "20261123T040506Z")
    assert.strictEqual(headers["x-amz-content-sha256"], sha256)
    assert.strictEqual(headers["x-amz-security-token"], "sessionToken" in secret ? secret.sessionToken : undefined)
    const host = new URL(baseUrl).host
    const request = { method: "POST", path: call({}).path, headers: { ...headers, host }, body }
    const place = { region: "eu-central-1", service: "bedrock" }
    assert.strictEqual(headers["authorization"], await Sigv4.authorizationOf(request, secret, place))
    assert.notInclude(JSON.stringify(headers), key.secretAccessKey)
  })

  it("carries a key of Bedrock's own as it is", async () => {
    assert.deepStrictEqual(await headersOf("bedrock-key", account({ auth: "api_key" })), {
      authorization: "Bearer bedrock-key"
    })
    const both = account({ apiKey: Redacted.make("bedrock-key") })
    assert.deepStrictEqual(await headersOf(written(key), both), { authorization: "Bearer bedrock-key" })
  })

  it("has no access key in headers that are made without it", () => {
    assert.deepStrictEqual(bedrock.authorize(account(), Redacted.make(written(key))), {})
    const both = account({ apiKey: Redacted.make("bedrock-key") })
    assert.deepStrictEqual(bedrock.authorize(both, Redacted.make(written(key))), {
      authorization: "Bearer bedrock-key"
    })
  })

  it("to a bucket is signed beside a key of Bedrock's own", async () => {
    const both = account({ apiKey: Redacted.make("bedrock-key") })
    const url = "https://b.s3.eu-central-1.amazonaws.com/copies/n1/a%21C3.txt"
    const headers = await headersOf(written(key), both, {
      call: call({ method: "PUT", place: "bucket" }),
      url,
      digest: null
    })
    assert.strictEqual(headers["x-amz-content-sha256"], "UNSIGNED-PAYLOAD")
    assert.match(headers["authorization"] ?? "", /Credential=AKIDEXAMPLE\/20261123\/eu-central-1\/s3\/aws4_request/)
    assert.notInclude(JSON.stringify(headers), "bedrock-key")
  })

  it("is not signed for nowhere", async () => {
    const message = await headersOf(written(key), account({ region: null })).then(
      () => assert.fail("it was signed"),
      String
    )
    assert.include(message, "region")
  })
})
