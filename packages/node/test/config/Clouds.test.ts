import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { inspect } from "node:util"
import { parse, text } from "./support.ts"

const providers = ["openai", "azure", "bedrock", "vertex"]
const runtime = "id: main, provider: bedrock, base_url: https://bedrock-runtime.eu-central-1.amazonaws.com"
const project = "id: main, provider: vertex, base_url: https://eu-aiplatform.googleapis.com/v1/projects/p/locations/eu"

const parseAccount = (account: string, env: Record<string, string> = {}) => parse(text({ account }), { providers, env })

const problemsOf = (yaml: string) =>
  Effect.map(Effect.flip(parse(yaml, { providers })), ({ message }) =>
    message.replaceAll(/omnifile.yaml:2:\d+ accounts\[0\]\./g, "").split("\n")
  )

const accountProblems = (account: string) => problemsOf(text({ account }))

describe("AWS in a configuration", () => {
  it.effect("signs with what the machine has, or a profile of it", () =>
    Effect.gen(function* () {
      const machine = yield* parseAccount(`${runtime}, auth: aws`)
      assert.strictEqual(machine.accounts[0]?.region, "eu-central-1")
      assert.deepStrictEqual(machine.aws?.get("main"), { _tag: "Machine", profile: undefined })
      const named = yield* parseAccount(`${runtime}, auth: aws, aws: { profile: work, region: eu-west-3 }`)
      assert.strictEqual(named.accounts[0]?.region, "eu-west-3")
      assert.deepStrictEqual(named.aws?.get("main"), { _tag: "Machine", profile: "work" })
    })
  )

  it.effect("signs with an access key, which nobody sees", () =>
    Effect.gen(function* () {
      const key = 'access_key_id: "${ID}", secret_access_key: "${SECRET}", session_token: "${TOKEN}"'
      const env = { ID: "AKIAEXAMPLE", SECRET: "very/secret+key", TOKEN: "very.secret.token" }
      const configuration = yield* parseAccount(`${runtime}, auth: aws, aws: { ${key} }`, env)
      const identity = configuration.aws?.get("main")
      assert(identity?._tag === "AccessKey")
      assert.strictEqual(identity.accessKeyId, "AKIAEXAMPLE")
      assert.strictEqual(Redacted.value(identity.secretAccessKey), "very/secret+key")
      assert.strictEqual(identity.sessionToken && Redacted.value(identity.sessionToken), "very.secret.token")
      assert.notInclude(inspect(configuration, { depth: 9 }) + JSON.stringify(identity), "very")
    })
  )

  it.effect("has an access key whole, and none beside a profile", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* accountProblems(`${runtime}, auth: aws, aws: { session_token: t, profile: work, region: Mars }`),
        [
          "aws.access_key_id: is required beside the other",
          "aws.secret_access_key: is required beside the other",
          "aws.profile: is not for an access key beside it",
          "aws.region: must be a region of AWS, such as eu-central-1"
        ]
      )
    })
  )

  it.effect("needs a region that something names", () =>
    Effect.gen(function* () {
      const other = "id: main, provider: bedrock, base_url: https://bedrock.example.org"
      assert.deepStrictEqual(yield* accountProblems(`${other}, auth: aws`), [
        "aws.region: is required: the base_url does not name a region"
      ])
      const { accounts } = yield* parseAccount(`${other}, auth: aws, aws: { region: us-gov-west-1 }`)
      assert.strictEqual(accounts[0]?.region, "us-gov-west-1")
    })
  )

  it.effect("is for accounts of Bedrock alone, and said by auth", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* accountProblems("id: main, provider: openai, api_key: k, auth: aws, aws: {}"), [
        "auth: is only for accounts of provider bedrock",
        "aws: is only for accounts of provider bedrock"
      ])
      assert.deepStrictEqual(yield* accountProblems(`${runtime}, api_key: k, aws: { region: eu-west-1 }`), [
        "aws: is only for auth: aws"
      ])
      assert.deepStrictEqual(yield* accountProblems(runtime), ["api_key: is required"])
    })
  )
})

describe("Google in a configuration", () => {
  it.effect("is asked as the machine, or with the key of a service account", () =>
    Effect.gen(function* () {
      const machine = yield* parseAccount(`${project}, auth: google`)
      assert.deepStrictEqual(machine.google?.get("main"), { keyFile: undefined })
      const keyed = yield* parseAccount(`${project}, auth: google, google: { key_file: keys/sa.json }`)
      assert.deepStrictEqual(keyed.google?.get("main"), { keyFile: "/srv/keys/sa.json" })
    })
  )

  it.effect("is not asked beside a key", () =>
    Effect.gen(function* () {
      const wrong = ["google: is only for auth: google without an api_key"]
      assert.deepStrictEqual(yield* accountProblems(`${project}, auth: google, api_key: k, google: {}`), wrong)
      assert.deepStrictEqual(yield* accountProblems(`${project}, api_key: k, google: {}`), wrong)
    })
  )
})

describe("a bucket in a configuration", () => {
  const bucketOf = (account: string) =>
    Effect.map(parseAccount(account), ({ accounts }) => JSON.parse(JSON.stringify(accounts[0]?.bucket)))

  it.effect("is where its cloud has it, or another server", () =>
    Effect.gen(function* () {
      const s3 = `${runtime}, auth: aws`
      assert.deepStrictEqual(yield* bucketOf(`${s3}, bucket: { url: "s3://copies/omnifile" }`), {
        name: "copies",
        prefix: "omnifile/",
        baseUrl: "https://copies.s3.eu-central-1.amazonaws.com"
      })
      assert.deepStrictEqual(yield* bucketOf(`${s3}, bucket: { url: "s3://a.b" }`), {
        name: "a.b",
        prefix: "",
        baseUrl: "https://s3.eu-central-1.amazonaws.com/a.b"
      })
      assert.deepStrictEqual(
        yield* bucketOf(`${s3}, aws: { region: cn-north-1 }, bucket: { url: "s3://copies" }`).pipe(
          Effect.map(({ baseUrl }) => baseUrl)
        ),
        "https://copies.s3.cn-north-1.amazonaws.com.cn"
      )
      assert.deepStrictEqual(
        yield* bucketOf(`${s3}, bucket: { url: "s3://copies/x/", endpoint: "http://127.0.0.1:9000" }`),
        { name: "copies", prefix: "x/", baseUrl: "http://127.0.0.1:9000/copies" }
      )
      assert.deepStrictEqual(yield* bucketOf(`${project}, auth: google, bucket: { url: "gs://copies/x/y" }`), {
        name: "copies",
        prefix: "x/y/",
        baseUrl: "https://storage.googleapis.com"
      })
    })
  )

  it.effect("is one of the provider's cloud, opened with what the account has", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* accountProblems(`${runtime}, api_key: k, bucket: { url: "gs://copies" }`), [
        "bucket: needs auth: aws, whose keys it is opened with",
        "bucket.url: must begin with s3://"
      ])
      assert.deepStrictEqual(
        yield* accountProblems('id: main, provider: vertex, api_key: k, bucket: { url: "gs://copies" }'),
        ["bucket: needs a base_url with the project, whose tokens it is opened with"]
      )
      const endpoint = "endpoint: http://storage.example.org"
      assert.deepStrictEqual(
        yield* accountProblems(`${runtime}, auth: aws, bucket: { url: "s3://copies", ${endpoint} }`),
        ["bucket.endpoint: must be https, or files are sent in clear"]
      )
      assert.deepStrictEqual(
        yield* accountProblems('id: main, provider: openai, api_key: k, bucket: { url: "s3://copies" }'),
        ["bucket: is only for accounts of provider bedrock or vertex"]
      )
    })
  )

  it.effect("has a name and a prefix that mean the same everywhere", () =>
    Effect.gen(function* () {
      for (const url of ["copies", "s3://Copies", "s3://", "s3://copies/../x", "s3://copies/a//b", "s3://copies/a b"]) {
        assert.deepStrictEqual(yield* accountProblems(`${runtime}, auth: aws, bucket: { url: "${url}" }`), [
          "bucket.url: must be a bucket with a prefix for names, such as s3://bucket/omnifile or gs://bucket/omnifile"
        ])
      }
    })
  )

  it.effect("is exclusive only if no other account's names begin like its own", () =>
    Effect.gen(function* () {
      const yaml = (one: string, other: string) => `accounts:
  - { ${runtime}, auth: aws, exclusive: true, bucket: { url: "${one}" } }
  - { ${runtime.replace("main", "other")}, auth: aws, bucket: { url: "${other}" } }
models:
  - { name: gpt, deployments: [{ account: main, model: gpt-1 }] }
keys:
  - { key: client-1 }
`
      for (const other of ["s3://copies/a/", "s3://copies/a/b", "s3://copies"]) {
        assert.deepStrictEqual(yield* problemsOf(yaml("s3://copies/a", other)), [
          "exclusive: cannot be true: accounts[1] has the same bucket"
        ])
      }
      const { accounts } = yield* parse(yaml("s3://copies/a", "s3://copies/ab"), { providers })
      assert.isTrue(accounts[0]?.exclusive)
    })
  )
})
