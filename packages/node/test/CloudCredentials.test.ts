/** What AWS's and Google's own libraries find for accounts, from servers and files in the place of the real ones. */
import { afterAll, afterEach, assert, beforeAll, beforeEach, describe, it } from "@effect/vitest"
import { Account, defaultPolicy } from "@omnifile/core/Account"
import { Credentials } from "@omnifile/core/Credentials"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import { generateKeyPairSync } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { inspect } from "node:util"
import * as AccountCredentials from "../src/AccountCredentials.ts"
import type { AwsIdentity } from "../src/config/AwsSection.ts"
import * as GoogleLibrary from "../src/GoogleLibrary.ts"

const account = (auth: "aws" | "google", fields: Partial<Account> = {}) =>
  new Account({
    id: "cloud",
    provider: auth === "aws" ? "bedrock" : "vertex",
    baseUrl: "https://cloud.invalid",
    apiKey: Redacted.make(""),
    headers: {},
    exclusive: false,
    policy: defaultPolicy,
    auth,
    ...fields
  })

const secretOf = (of: Account) =>
  Effect.gen(function* () {
    const { secretOf } = yield* Credentials
    return Redacted.value(yield* secretOf(of))
  })

/** Everything that is logged while it runs, as text. */
const withLog = <A, E, R>(run: (log: ReadonlyArray<string>) => Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const log: Array<string> = []
    const logger = Logger.make(({ message, cause }) => log.push(inspect([message, cause], { depth: 9 })))
    return Effect.provide(run(log), Logger.layer([logger]))
  })

/** What the libraries look at, and what this machine may have of it. */
const variables = [
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_PROFILE",
  "AWS_CONFIG_FILE",
  "AWS_SHARED_CREDENTIALS_FILE",
  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_EC2_METADATA_DISABLED",
  "GOOGLE_APPLICATION_CREDENTIALS",
  "GCE_METADATA_HOST",
  "METADATA_SERVER_DETECTION"
]

let directory: string
let before: Readonly<Record<string, string | undefined>>
let status: number
let asked: Array<string>
let server: Awaited<ReturnType<typeof HostSuite.listen>>

const tomorrow = () => new Date(Date.now() + 86_400_000).toISOString()

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "omnifile-clouds-"))
  server = await HostSuite.listen((request, response) => {
    void text(request).then((body) => {
      const { pathname } = new URL(request.url ?? "", "http://server")
      asked.push(`${request.method} ${pathname}`)
      const answer = pathname.endsWith("/aws")
        ? { AccessKeyId: "ASIACONTAINER", SecretAccessKey: "of-container", Token: "t/1", Expiration: tomorrow() }
        : { access_token: `token-${asked.length}`, expires_in: 3_600, token_type: "Bearer" }
      response.writeHead(status, { "content-type": "application/json", "metadata-flavor": "Google" })
      const grant = new URLSearchParams(body).get("grant_type")
      response.end(JSON.stringify(status === 200 ? answer : { error: "invalid_grant", error_description: grant }))
    })
  })
})
afterAll(async () => {
  await server.stop()
  rmSync(directory, { recursive: true })
})
beforeEach(() => {
  status = 200
  asked = []
  before = Object.fromEntries(variables.map((name) => [name, process.env[name]]))
  for (const name of variables) delete process.env[name]
  process.env["AWS_CONFIG_FILE"] = join(directory, "none")
  process.env["AWS_SHARED_CREDENTIALS_FILE"] = join(directory, "none")
})
afterEach(() => {
  for (const name of variables) {
    const value = before[name]
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
})

describe("an access key of AWS", () => {
  const layer = (identity?: AwsIdentity, fields: Partial<Account> = {}) =>
    AccountCredentials.layer({
      accounts: [account("aws", fields)],
      ...(identity === undefined ? {} : { aws: new Map([["cloud", identity]]) })
    })

  const found = (identity?: AwsIdentity) => Effect.provide(secretOf(account("aws")), layer(identity))

  it.effect("is that of the account", () =>
    Effect.gen(function* () {
      const secretAccessKey = Redacted.make("of-account")
      const key = { _tag: "AccessKey", accessKeyId: "AKIAACCOUNT", secretAccessKey, sessionToken: undefined } as const
      assert.strictEqual(yield* found(key), '{"AccessKeyId":"AKIAACCOUNT","SecretAccessKey":"of-account"}')
      assert.deepStrictEqual(JSON.parse(yield* found({ ...key, sessionToken: Redacted.make("token") })), {
        AccessKeyId: "AKIAACCOUNT",
        SecretAccessKey: "of-account",
        SessionToken: "token"
      })
    })
  )

  it.live("is found in the environment, and in a profile that is named", () =>
    Effect.gen(function* () {
      process.env["AWS_ACCESS_KEY_ID"] = "AKIAENVIRONMENT"
      process.env["AWS_SECRET_ACCESS_KEY"] = "of-environment"
      assert.include(yield* found(), "AKIAENVIRONMENT")

      const file = join(directory, "credentials")
      writeFileSync(file, "[work]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = of-profile\n")
      process.env["AWS_SHARED_CREDENTIALS_FILE"] = file
      assert.deepStrictEqual(JSON.parse(yield* found({ _tag: "Machine", profile: "work" })), {
        AccessKeyId: "AKIAPROFILE",
        SecretAccessKey: "of-profile"
      })
    })
  )

  it.live("is what a container is given, and asked for once", () =>
    Effect.gen(function* () {
      process.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = `${server.url}/aws`
      const of = account("aws")
      const [first, second] = yield* Effect.provide(
        Effect.all([secretOf(of), secretOf(of)], { concurrency: "unbounded" }),
        layer()
      )
      assert.deepStrictEqual(JSON.parse(first), {
        AccessKeyId: "ASIACONTAINER",
        SecretAccessKey: "of-container",
        SessionToken: "t/1"
      })
      assert.strictEqual(second, first)
      assert.deepStrictEqual(asked, ["GET /aws"])
    })
  )

  it.live("is missing where nothing knows the machine", () =>
    withLog((log) =>
      Effect.gen(function* () {
        process.env["AWS_EC2_METADATA_DISABLED"] = "true"
        const error = yield* Effect.flip(found())
        assert.strictEqual(error.message, "aws.credentials: account cloud refused the gateway's credentials (401)")
        assert.lengthOf(log, 1)
        assert.include(log[0], "No access key of AWS for account cloud: CredentialsProviderError")
      })
    )
  )
})

describe("a token of Google", () => {
  const { privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" }
  })
  const key = () => {
    const file = join(directory, "key.json")
    const content = { type: "service_account", project_id: "p", private_key: privateKey, client_email: "a@p.example" }
    writeFileSync(file, JSON.stringify(content))
    return file
  }

  /** The library asks where Google is: its requests lead to ours. */
  const leadingHere: Parameters<typeof GoogleLibrary.open>[1] = {
    transporterOptions: {
      fetchImplementation: (input: string | URL | Request, init?: RequestInit) => {
        const { pathname } = new URL(input instanceof Request ? input.url : input)
        return fetch(server.url + pathname, init)
      }
    }
  }

  const layer = (keyFile: string | undefined) =>
    AccountCredentials.layer(
      { accounts: [account("google")], google: new Map([["cloud", { keyFile }]]) },
      { google: (identity) => GoogleLibrary.open(identity, keyFile === undefined ? undefined : leadingHere) }
    )

  it.live("is asked for with the key of a service account, once for all who need it", () =>
    Effect.gen(function* () {
      const of = account("google")
      const tokens = yield* Effect.provide(
        Effect.all([secretOf(of), secretOf(of), secretOf(of)], { concurrency: "unbounded" }),
        layer(key())
      )
      assert.deepStrictEqual(tokens, ["token-1", "token-1", "token-1"])
      assert.deepStrictEqual(asked, ["POST /token"])
    })
  )

  it.live("is what the machine is given", () =>
    Effect.gen(function* () {
      process.env["GCE_METADATA_HOST"] = server.url.replace("http://", "")
      process.env["METADATA_SERVER_DETECTION"] = "assume-present"
      assert.match(yield* Effect.provide(secretOf(account("google")), layer(undefined)), /^token-\d$/)
      assert.include(asked, "GET /computeMetadata/v1/instance/service-accounts/default/token")
    })
  )

  it.live("is refused by status and code, and no secret is told", () =>
    withLog((log) =>
      Effect.gen(function* () {
        status = 400
        const error = yield* Effect.flip(Effect.provide(secretOf(account("google")), layer(key())))
        assert.strictEqual(error.message, "google.token: account cloud refused the gateway's credentials (400)")
        assert.include(log.join(), "No access token of Google for account cloud: ")
        assert.include(log.join(), "invalid_grant (400)")
        assert.notInclude(log.join() + inspect(error, { depth: 9 }), "PRIVATE KEY")
      })
    )
  )

  it.live("is missing where a key file is none", () =>
    withLog((log) =>
      Effect.gen(function* () {
        const other = join(directory, "other.json")
        writeFileSync(other, '{"type":"authorized_user"}')
        for (const file of [other, join(directory, "no-such.json")]) {
          const error = yield* Effect.flip(Effect.provide(secretOf(account("google")), layer(file)))
          assert.strictEqual(error.reason._tag, "Unauthorized")
        }
        assert.lengthOf(log, 2)
        assert.deepStrictEqual(asked, [])
      })
    )
  )

  it.effect("is renewed before it ends, and not asked for beside a key", () => {
    let count = 0
    const open = () => Promise.resolve(async () => ({ token: `t${++count}`, expiresAt: count * 3_600_000 }))
    const of = account("google")
    return Effect.gen(function* () {
      assert.strictEqual(yield* secretOf(of), "t1")
      yield* TestClock.adjust(3_600_000 - 4 * 60_000)
      assert.strictEqual(yield* secretOf(of), "t2")
      assert.strictEqual(yield* secretOf(account("google", { id: "keyed", apiKey: Redacted.make("key") })), "key")
    }).pipe(Effect.provide(AccountCredentials.layer({ accounts: [of] }, { google: open })))
  })
})
