import type { TokenCredential } from "@azure/identity"
import { createDefaultHttpClient } from "@azure/core-rest-pipeline"
import { assert, describe, it } from "@effect/vitest"
import { Account, defaultPolicy } from "@omnifile/core/Account"
import { Credentials } from "@omnifile/core/Credentials"
import { HttpTransport } from "@omnifile/core/HttpTransport"
import * as Upstream from "@omnifile/core/Upstream"
import { azure } from "@omnifile/provider-azure/Azure"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import { once } from "node:events"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { text as streamText } from "node:stream/consumers"
import { inspect } from "node:util"
import type { EntraIdentity } from "../src/config/EntraSection.ts"
import * as AccountCredentials from "../src/AccountCredentials.ts"
import * as EntraLibrary from "../src/EntraLibrary.ts"

const account = (fields: Partial<Account> = {}) =>
  new Account({
    id: "france",
    provider: "azure",
    baseUrl: "https://r.openai.azure.com/openai/v1",
    apiKey: Redacted.make(""),
    headers: {},
    exclusive: false,
    policy: { ...defaultPolicy, attempts: 1 },
    auth: "entra",
    ...fields
  })

const hour = 3_600_000

interface Issuer {
  asked: number
  readonly scopes: Set<string | Array<string>>
  now: number
  answer: () => Promise<void>
  readonly credential: TokenCredential
}

/** Gives out `token-1`, `token-2` and so on, each good for an hour from when it is asked for, by the test's clock. */
const makeIssuer = (): Issuer => {
  const issuer: Issuer = {
    asked: 0,
    scopes: new Set(),
    now: 0,
    answer: () => Promise.resolve(),
    credential: {
      getToken: async (scopes) => {
        issuer.asked += 1
        issuer.scopes.add(scopes)
        const token = `token-${issuer.asked}`
        await issuer.answer()
        return { token, expiresOnTimestamp: issuer.now + hour }
      }
    }
  }
  return issuer
}

const layerOf = (issuer: Issuer, ...accounts: ReadonlyArray<Account>) =>
  AccountCredentials.layer(
    { accounts: accounts.length === 0 ? [account()] : accounts },
    { entra: () => Promise.resolve(issuer.credential) }
  )

const tokenOf = (of = account()) =>
  Effect.gen(function* () {
    const { secretOf } = yield* Credentials
    return Redacted.value(yield* secretOf(of))
  })

const pass = (issuer: Issuer, milliseconds: number) =>
  Effect.suspend(() => {
    issuer.now += milliseconds
    return TestClock.adjust(milliseconds)
  })

/** Everything that is logged while it runs, as text. */
const withLog = <A, E, R>(run: (log: ReadonlyArray<string>) => Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const log: Array<string> = []
    const logger = Logger.make(({ message, cause }) => log.push(inspect([message, cause], { depth: 9 })))
    return Effect.provide(run(log), Logger.layer([logger]))
  })

describe("tokens of Microsoft Entra", () => {
  it.effect("are kept until shortly before they expire", () => {
    const issuer = makeIssuer()
    return Effect.gen(function* () {
      assert.strictEqual(yield* tokenOf(), "token-1")
      yield* pass(issuer, hour - 5 * 60_000)
      assert.strictEqual(yield* tokenOf(), "token-1")
      yield* pass(issuer, 60_000)
      assert.strictEqual(yield* tokenOf(), "token-2")
      assert.strictEqual(yield* tokenOf(), "token-2")
      assert.deepStrictEqual([...issuer.scopes], ["https://cognitiveservices.azure.com/.default"])
    }).pipe(Effect.provide(layerOf(issuer)))
  })

  it.effect("are asked for once by all who wait, though the first of them goes", () => {
    const issuer = makeIssuer()
    const { promise, resolve } = Promise.withResolvers<void>()
    const asked = Promise.withResolvers<void>()
    issuer.answer = () => {
      asked.resolve()
      return promise
    }
    return Effect.gen(function* () {
      const first = yield* Effect.forkChild(tokenOf(), { startImmediately: true })
      yield* Effect.promise(() => asked.promise)
      const others = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(tokenOf(), { startImmediately: true }))
      yield* Fiber.interrupt(first)
      resolve()
      assert.deepStrictEqual(yield* Effect.forEach(others, Fiber.join), ["token-1", "token-1", "token-1"])
      assert.strictEqual(issuer.asked, 1)
    }).pipe(Effect.provide(layerOf(issuer)))
  })

  it.effect("are used to their end when there is no new one, which is not asked for at every call", () =>
    withLog((log) => {
      const issuer = makeIssuer()
      return Effect.gen(function* () {
        yield* tokenOf()
        issuer.answer = () => Promise.reject(new Error("token-1 of nobody"))
        yield* pass(issuer, hour - 4 * 60_000)
        assert.strictEqual(yield* tokenOf(), "token-1")
        assert.strictEqual(yield* tokenOf(), "token-1")
        assert.strictEqual(issuer.asked, 2)
        yield* pass(issuer, 30_000)
        assert.strictEqual(yield* tokenOf(), "token-1")
        assert.strictEqual(issuer.asked, 3)
        yield* pass(issuer, 4 * 60_000)
        const error = yield* Effect.flip(tokenOf())
        assert.strictEqual(
          error.message,
          "entra.token: account france could not be reached or broke off the connection"
        )
        assert.isTrue(error.retryable)
        issuer.answer = () => Promise.resolve()
        assert.strictEqual(yield* tokenOf(), "token-5")
        assert.strictEqual(log.length, 3)
        assert.include(log[0], "No token of Microsoft Entra for account france: Error")
        assert.notInclude(log.join("") + inspect(error, { depth: 9 }), "token-1")
      }).pipe(Effect.provide(layerOf(issuer)))
    })
  )

  it.effect("are not waited for without an end", () => {
    const issuer = makeIssuer()
    const asked = Promise.withResolvers<void>()
    issuer.answer = () => {
      asked.resolve()
      return new Promise(() => {})
    }
    return Effect.gen(function* () {
      const waiting = yield* Effect.forkChild(Effect.flip(tokenOf()), { startImmediately: true })
      yield* Effect.promise(() => asked.promise)
      yield* pass(issuer, 30_000)
      assert.strictEqual((yield* Fiber.join(waiting)).message, "entra.token: account france did not answer in time")
    }).pipe(Effect.provide(layerOf(issuer)))
  })

  it.effect("are for accounts without a key; the others keep theirs", () => {
    const issuer = makeIssuer()
    const given = account({ id: "given", apiKey: Redacted.make("a-token") })
    const other = account({ id: "sweden" })
    return Effect.gen(function* () {
      assert.strictEqual(yield* tokenOf(given), "a-token")
      assert.strictEqual(issuer.asked, 0)
      assert.strictEqual(yield* tokenOf(other), "token-1")
      assert.strictEqual(yield* tokenOf(), "token-2")
    }).pipe(Effect.provide(layerOf(issuer, account(), given, other)))
  })

  it.effect("go with calls as a bearer, and out of what a provider says about them", () => {
    const sent: Array<Readonly<Record<string, string>>> = []
    const body = JSON.stringify({ error: { message: "no deployment for token-1", code: "DeploymentNotFound" } })
    const transport = Layer.succeed(HttpTransport, {
      send: ({ headers }) => {
        sent.push(headers)
        return Effect.succeed({
          status: 404,
          headers: {},
          body: (async function* () {
            yield await Promise.resolve(new TextEncoder().encode(body))
          })(),
          complete: null,
          cancel: () => {}
        })
      }
    })
    return Effect.gen(function* () {
      const upstream = yield* Upstream.Upstream
      const list = azure.files?.list(null)
      assert(list !== undefined)
      const error = yield* Effect.flip(Effect.scoped(upstream.send({ account: account(), provider: azure }, list)))
      assert.strictEqual(sent[0]?.["authorization"], "Bearer token-1")
      assert.strictEqual(sent[0]?.["api-key"], undefined)
      assert.include(error.message, "no deployment for [redacted]")
    }).pipe(Effect.provide(Layer.provide(Upstream.layer, [transport, layerOf(makeIssuer())])))
  })
})

const tenant = "11111111-1111-1111-1111-111111111111"

const application: EntraIdentity = {
  _tag: "Application",
  tenantId: tenant,
  clientId: "the-client",
  clientSecret: Redacted.make("8Q~very.secret")
}

const json = (response: ServerResponse, status: number, value: unknown) =>
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value))

/** An authority that knows one application and its secret, and says `status` to others. */
const startAuthority = Effect.acquireRelease(
  Effect.promise(async () => {
    const authority = { url: "", status: 401, tokens: 0, close: () => server.close() }
    const server = createServer(async (request, response) => {
      const form = new URLSearchParams(await streamText(request))
      if (request.url?.includes("openid-configuration") === true) {
        const of = (path: string) => `https://login.example/${tenant}/${path}`
        return json(response, 200, {
          issuer: of("v2.0"),
          authorization_endpoint: of("oauth2/v2.0/authorize"),
          token_endpoint: of("oauth2/v2.0/token"),
          jwks_uri: of("keys")
        })
      }
      if (form.get("client_id") !== "the-client" || form.get("client_secret") !== "8Q~very.secret") {
        const message = `AADSTS7000215: Invalid client secret ${form.get("client_secret")}.`
        return json(response, authority.status, { error: "invalid_client", error_description: message })
      }
      authority.tokens += 1
      const access_token = `${form.get("scope")} ${authority.tokens}`
      return json(response, 200, { token_type: "Bearer", expires_in: 3600, access_token })
    }).listen(0, "127.0.0.1")
    await once(server, "listening")
    authority.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return authority
  }),
  ({ close }) => Effect.sync(close)
)

const wire = createDefaultHttpClient()

type Options = NonNullable<Parameters<typeof EntraLibrary.open>[1]>

/** The library speaks only https to an authority: its wire leads to ours. */
const leadingTo = (url: string): Options => ({
  authorityHost: "https://login.example",
  disableInstanceDiscovery: true,
  retryOptions: { maxRetries: 0 },
  httpClient: {
    sendRequest: (request) => {
      const { pathname, search } = new URL(request.url)
      return wire.sendRequest({ ...request, url: url + pathname + search, allowInsecureConnection: true })
    }
  }
})

describe("the library for Microsoft Entra", () => {
  const layer = (url: string, identity: EntraIdentity) =>
    AccountCredentials.layer(
      { accounts: [account()], entra: new Map([["france", identity]]) },
      { entra: (known) => EntraLibrary.open(known, leadingTo(url)) }
    )

  it.live("gets a token for an application", () =>
    Effect.gen(function* () {
      const authority = yield* startAuthority
      yield* Effect.gen(function* () {
        const token = "https://cognitiveservices.azure.com/.default 1"
        assert.strictEqual(yield* tokenOf(), token)
        assert.strictEqual(yield* tokenOf(), token)
      }).pipe(Effect.provide(layer(authority.url, application)))
      assert.strictEqual(authority.tokens, 1)
    })
  )

  it.live("tells by status and code why there is none, and no secret", () =>
    withLog((log) =>
      Effect.gen(function* () {
        const authority = yield* startAuthority
        const wrong = { ...application, clientSecret: Redacted.make("wrong.secret") }
        const failure = (status: number) =>
          Effect.suspend(() => {
            authority.status = status
            return Effect.flip(Effect.provide(tokenOf(), layer(authority.url, wrong)))
          })
        const refused = yield* failure(401)
        assert.strictEqual(refused.message, "entra.token: account france refused the gateway's credentials (401)")
        assert.strictEqual((yield* failure(503)).message, "entra.token: account france answered 503")
        assert.strictEqual((yield* failure(429)).message, "entra.token: account france is rate limiting (429)")
        assert.include(log[0], "AADSTS7000215 (401)")
        assert.notMatch(log.join("") + inspect(refused, { depth: 9 }), /wrong.secret/)
        authority.close()
        const unreachable = yield* Effect.flip(Effect.provide(tokenOf(), layer("http://127.0.0.1:1", wrong)))
        assert.strictEqual(unreachable.reason._tag, "Unreachable")
      })
    )
  )
})
