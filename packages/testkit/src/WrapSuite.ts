/**
 * The promises of wrap mode: hooks around a route of the application's own, as tests. Call the suite in a test file
 * of the adapter; `serve` puts the API and the given routes into an application of that framework. The clients and
 * the routes' own calls are the official `openai` package's; the provider is the `OpenAIEmulator`.
 */
import { Deployment } from "@omnifile/core/Account"
import type { Hook } from "@omnifile/core/Hooks"
import type { Attempt, Handler } from "@omnifile/core/Wrap"
import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import OpenAI, { toFile } from "openai"
import { failure } from "./host/checks.ts"
import * as Installation from "./host/Installation.ts"
import type { Host } from "./host/RunningHost.ts"
import * as WatchedStorage from "./host/WatchedStorage.ts"
import type * as OpenAIEmulator from "./OpenAIEmulator.ts"

export type WrapBody = OpenAI.Chat.ChatCompletionCreateParams

/** A route for `POST` of chat completions, or of Responses. */
export interface WrapRoute {
  readonly path: string
  readonly operation: "chat" | "responses"
  readonly handler: Handler<WrapBody>
  /** The request header that says which user calls; without it callers have API keys. */
  readonly callerHeader: string | null
}

export interface WrapOptions<Gateway extends { readonly close: () => Promise<void> }> {
  readonly build: (installation: Installation.Installation) => Promise<Gateway>
  /** Serves the routes, and the API at `/v1`. The framework answers 500 to errors of its handlers, and logs nothing. */
  readonly serve: (gateway: Gateway, routes: ReadonlyArray<WrapRoute>) => Promise<Host>
}

const model = "on-both"
const keys = { alice: "sk-wrap-alice", bob: "sk-wrap-bob" } as const

const installationOf = (emulator: OpenAIEmulator.Emulator, hooks: ReadonlyArray<Hook>): Installation.Installation => {
  const base = Installation.make(emulator, WatchedStorage.make())
  const accounts = ["alpha", "beta"] as const
  return {
    ...base,
    hooks,
    configuration: {
      ...base.configuration,
      keys: (["alice", "bob"] as const).map((user) => {
        return { key: Redacted.make(keys[user]), role: "user", user, team: null, models: ["*"] }
      }),
      deployments: [...accounts, "ticker" as const].map(
        (account) =>
          new Deployment({
            id: `wrapped-${account}`,
            account,
            modelName: account === "ticker" ? "endless" : model,
            model: `provider-${account}`,
            weight: 1
          })
      )
    }
  }
}

type Attempted = Attempt<WrapBody>

/** The provider, as the handler of an application would call it. */
const provider = ({ account }: Attempted): OpenAI =>
  new OpenAI({ apiKey: account.apiKey, baseURL: account.baseUrl, maxRetries: 0 })

class Mistake extends Error {}

/** The routes of the application, by their path, and what they have seen. */
const makeRoutes = () => {
  const seen: Array<Attempted> = []
  const record =
    (handler: Handler<WrapBody>): Handler<WrapBody> =>
    (attempt) => {
      seen.push(attempt)
      return handler(attempt)
    }
  const route = (path: string, handler: Handler<WrapBody>, callerHeader: string | null = null): WrapRoute => ({
    path: `${path}/chat/completions`,
    operation: "chat",
    handler: record(handler),
    callerHeader
  })
  const responses: WrapRoute = {
    path: "/client/responses",
    operation: "responses",
    callerHeader: null,
    handler: record((attempt) =>
      provider(attempt).responses.create(attempt.body as unknown as OpenAI.Responses.ResponseCreateParams)
    )
  }
  const byClient: Handler<WrapBody> = (attempt) =>
    provider(attempt).chat.completions.create(attempt.body, { signal: attempt.signal })
  const byFetch: Handler<WrapBody> = ({ account, bytes, signal }) =>
    fetch(`${account.baseUrl}/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${account.apiKey}`, "content-type": "application/json" },
      body: Buffer.from(bytes),
      signal
    })
  const routes = [
    responses,
    route("/client", byClient),
    route("/fetch", byFetch),
    route("/signed-in", byClient, "x-user"),
    route("/mistaken", () => {
      throw new Mistake("the application is broken")
    })
  ]
  return { routes, seen }
}

interface Running {
  readonly emulator: OpenAIEmulator.Emulator
  readonly seen: Array<Attempted>
  readonly answered: Array<string>
  readonly url: string
  readonly openai: (path: string, user?: keyof typeof keys) => OpenAI
  readonly stop: () => Promise<void>
}

const start = async <Gateway extends { readonly close: () => Promise<void> }>(
  options: WrapOptions<Gateway>
): Promise<Running> => {
  const emulator = await Installation.startEmulator()
  const answered: Array<string> = []
  const hook: Hook = {
    name: "watch",
    postCall: (call, answer) =>
      Effect.sync(() => {
        if (answer._tag === "ChatCompletion") answered.push(`${call.principal.user} ${answer.deployment.account}`)
        return answer
      })
  }
  const gateway = await options.build(installationOf(emulator, [hook]))
  const { routes, seen } = makeRoutes()
  const { stop, url } = await options.serve(gateway, routes)
  return {
    emulator,
    seen,
    answered,
    url,
    openai: (path, user = "alice") => new OpenAI({ apiKey: keys[user], baseURL: url + path, maxRetries: 0 }),
    stop: async () => {
      await stop()
      await gateway.close()
      await emulator.close()
    }
  }
}

const textOf = (answer: OpenAI.ChatCompletion): string => answer.choices[0]?.message.content ?? ""

const askAbout = (file: string, text: string): OpenAI.ChatCompletionCreateParams["messages"] => [
  {
    role: "user",
    content: [
      { type: "file", file: { file_id: file } },
      { type: "text", text }
    ]
  }
]

/** What every adapter's wrap mode promises. */
export const suite = <Gateway extends { readonly close: () => Promise<void> }>(
  name: string,
  options: WrapOptions<Gateway>
): void => {
  describe(`Wrap (${name})`, () => {
    let running: Running
    let file: string
    beforeAll(async () => {
      running = await start(options)
      const content = await toFile(Buffer.from("a file to talk about"), "notes.txt")
      file = (await running.openai("/v1").files.create({ file: content, purpose: "user_data" })).id
    })
    afterAll(() => running.stop())
    afterEach(() => {
      running.emulator.clearFaults()
      running.seen.length = 0
      running.answered.length = 0
    })

    it.each(["/client", "/fetch"])(
      "answers by a handler at %s, with its own deployment's IDs, plain and streamed",
      async (path) => {
        const { answered, openai, seen } = running
        const request = { model, messages: askAbout(file, "and tell me") }
        const plain = await openai(path).chat.completions.create(request)
        assert.include(textOf(plain), "File 1: notes.txt, 20 bytes")
        const [attempt] = seen
        assert.ok(attempt !== undefined)
        assert.strictEqual(attempt.body.model, `provider-${attempt.account.id}`)
        assert.notInclude(new TextDecoder().decode(attempt.bytes), file)
        let text = ""
        for await (const { choices } of await openai(path).chat.completions.create({ ...request, stream: true })) {
          text += choices[0]?.delta.content ?? ""
        }
        assert.include(text, "File 1: notes.txt, 20 bytes")
        assert.deepStrictEqual(
          answered,
          seen.map(({ account }) => `alice ${account.id}`)
        )
        const raw = await fetch(`${running.url}${path}/chat/completions`, {
          method: "POST",
          headers: { authorization: `Bearer ${keys.alice}`, "content-type": "application/json" },
          body: JSON.stringify({ ...request, stream: true })
        })
        assert.match(raw.headers.get("content-type") ?? "", /^text\/event-stream/)
        assert.match(await raw.text(), /^data: \{.*\n\ndata: \[DONE\]\n\n$/s)
      }
    )

    it("never asks the handler for what the caller may not have", async () => {
      const { emulator, openai, seen } = running
      const before = emulator.journal.length
      const request = { model, messages: askAbout(file, "whose is this?") }
      assert.instanceOf(await failure(openai("/client", "bob").chat.completions.create(request)), OpenAI.NotFoundError)
      const forged = openai("/client").withOptions({ apiKey: "sk-nobody" })
      assert.instanceOf(await failure(forged.chat.completions.create(request)), OpenAI.AuthenticationError)
      const unknown = failure(openai("/client").chat.completions.create({ ...request, model: "no-such-model" }))
      assert.instanceOf(await unknown, OpenAI.NotFoundError)
      assert.deepStrictEqual([seen.length, emulator.journal.length], [0, before])
    })

    it.each(["/client", "/fetch"])("offers the next deployment at %s when one fails", async (path) => {
      const { emulator, openai, seen } = running
      emulator.fault({ route: "chat", times: 1, kind: { status: 500 } })
      const request = { model, messages: askAbout(file, "try again") }
      const answer = await openai(path).chat.completions.create(request)
      assert.deepStrictEqual(seen.map(({ account }) => account.id).sort(), ["alpha", "beta"])
      assert.include(textOf(answer), `Answer from ${seen[1]?.account.id}`)
    })

    it("passes a refusal of the provider on, once", async () => {
      const { emulator, openai, seen } = running
      emulator.fault({
        route: "chat",
        kind: { status: 400, body: { error: { message: "too odd", param: "messages" } } }
      })
      const request = { model, messages: askAbout(file, "odd") }
      const error = await failure(openai("/client").chat.completions.create(request))
      assert.ok(error instanceof OpenAI.BadRequestError && error.param === "messages")
      assert.match(error.message, /too odd/)
      assert.lengthOf(seen, 1)
    })

    it("puts Responses in the client's terms, plain and streamed, and finds them again", async () => {
      const { openai, seen } = running
      const input = [{ role: "user" as const, content: [{ type: "input_file" as const, file_id: file }] }]
      const first = await openai("/client").responses.create({ model, input })
      const found = await openai("/v1").responses.retrieve(first.id)
      assert.strictEqual(found.id, first.id)
      const request = { model, input: "and then?", previous_response_id: first.id, stream: true } as const
      const events = await openai("/client").responses.create(request)
      const ids = new Set<string>()
      for await (const event of events) if ("response" in event) ids.add(event.response.id)
      assert.strictEqual(ids.size, 1)
      assert.notInclude([...ids], first.id)
      assert.strictEqual((await openai("/v1").responses.retrieve([...ids][0] ?? "")).previous_response_id, first.id)
      // What goes on from an answer goes to where that one lies.
      assert.strictEqual(new Set(seen.map(({ account }) => account.id)).size, 1)
      const stolen = openai("/client", "bob").responses.create({ model, input: "mine", previous_response_id: first.id })
      assert.instanceOf(await failure(stolen), OpenAI.NotFoundError)
      assert.lengthOf(seen, 2)
    })

    it("tells the handler that the client has left in the middle of a stream", async () => {
      const { openai, seen } = running
      const stream = await openai("/client").chat.completions.create({
        model: "endless",
        messages: [{ role: "user", content: "go on" }],
        stream: true
      })
      for await (const { choices } of stream) if (choices[0]?.delta.content) break
      const { signal } = seen[0] as Attempted
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }))
      await running.emulator.waitFor(({ aborted, route }) => route === "chat" && aborted)
    })

    it("leaves the application's mistakes to the application", async () => {
      const { openai, seen } = running
      const error = await failure(
        openai("/mistaken").chat.completions.create({ model, messages: [{ role: "user", content: "hello" }] })
      )
      assert.ok(error instanceof OpenAI.InternalServerError)
      assert.notInclude(error.message, "the application is broken")
      assert.lengthOf(seen, 1)
    })

    it("knows callers as the application knows them", async () => {
      const { answered, openai, seen } = running
      const request = { model, messages: askAbout(file, "it is me") }
      const ask = (headers: Record<string, string>) =>
        openai("/signed-in").chat.completions.create(request, { headers: { authorization: null, ...headers } })
      assert.include(textOf(await ask({ "x-user": "alice" })), "File 1: notes.txt")
      assert.strictEqual(answered[0]?.startsWith("alice "), true)
      assert.instanceOf(await failure(ask({ "x-user": "bob" })), OpenAI.NotFoundError)
      assert.instanceOf(await failure(ask({})), OpenAI.AuthenticationError)
      assert.lengthOf(seen, 1)
    })
  })
}
