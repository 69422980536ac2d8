import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Bytes from "../src/Bytes.ts"
import { AccountFailure, invalid, NotFound } from "../src/CallError.ts"
import * as ChatRequest from "../src/ChatRequest.ts"
import type { Hook } from "../src/Hooks.ts"
import { ProviderError, Rejected } from "../src/ProviderError.ts"
import { answer, decode, encode, type Fault } from "./support/FakeProvider.ts"
import { alice, bob, withModels } from "./support/principals.ts"
import { advance } from "./support/time.ts"
import * as World from "./support/World.ts"

const listModels = { _tag: "ListModels" } as const

const chatOf = (body: string) => Result.getOrThrow(ChatRequest.parse(Bytes.fromArray(encode(body))))

/** A hook that writes down what it is asked. */
const recorder = (name: string, log: Array<string>): Hook => ({
  name,
  preCall: (call) =>
    Effect.sync(() => {
      log.push(`${name}.preCall ${call.operation._tag}`)
      return call
    }),
  filterDeployments: (_call, candidates) =>
    Effect.sync(() => {
      log.push(`${name}.filter ${candidates.length}`)
      return candidates
    }),
  preDeployment: (_call, deployment, request) =>
    Effect.sync(() => {
      log.push(`${name}.preDeployment ${deployment.id}`)
      return request
    }),
  postCall: (_call, given) =>
    Effect.sync(() => {
      log.push(`${name}.postCall ${given._tag}`)
      return given
    }),
  onFailure: (_call, failure) =>
    Effect.sync(() => {
      const of = failure._tag === "DeploymentFailed" ? failure.error.reason._tag : failure.error._tag
      log.push(`${name}.onFailure ${failure._tag} ${of}`)
      return null
    })
})

const one: World.Options = {
  accounts: [{ id: "east" }],
  deployments: [{ id: "d", account: "east", modelName: "both", model: "east-model" }]
}

/** Three accounts that serve one model, in this order: each later one has a weight of almost nothing. */
const three: World.Options = {
  accounts: ["first", "second", "third"].map((id) => ({ id })),
  deployments: [
    { id: "d1", account: "first", modelName: "m", weight: 1 },
    { id: "d2", account: "second", modelName: "m", weight: 1e-9 },
    { id: "d3", account: "third", modelName: "m", weight: 1e-18 }
  ]
}

describe("Hooks", () => {
  it.effect("run in the order of the list, each step before the next", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const world = yield* World.make({ ...one, hooks: [recorder("a", log), recorder("b", log)] })
      const instance = yield* world.start()
      yield* instance.chat()
      assert.deepStrictEqual(log, [
        "a.preCall ChatCompletion",
        "b.preCall ChatCompletion",
        "a.filter 1",
        "b.filter 1",
        "a.preDeployment d",
        "b.preDeployment d",
        "a.postCall ChatCompletion",
        "b.postCall ChatCompletion"
      ])
    })
  )

  it.effect("an operation without a deployment passes the hooks before and after it", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const world = yield* World.make({ ...one, hooks: [recorder("a", log)] })
      const instance = yield* world.start()
      const { models } = yield* Effect.scoped(instance.run(listModels))
      assert.deepStrictEqual(models, ["both"])
      assert.deepStrictEqual(log, ["a.preCall ListModels", "a.postCall ListModels"])
    })
  )

  it.effect("learn of failures of deployments and of calls", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const world = yield* World.make({ ...one, hooks: [recorder("a", log), recorder("b", log)] })
      const instance = yield* world.start()
      world.account("east").script("chat", answer(500))
      yield* Effect.flip(instance.chat())
      assert.deepStrictEqual(
        log.filter((line) => line.includes("onFailure")),
        [
          "a.onFailure DeploymentFailed Faulty",
          "b.onFailure DeploymentFailed Faulty",
          "a.onFailure CallFailed ProvidersFailed",
          "b.onFailure CallFailed ProvidersFailed"
        ]
      )
    })
  )

  const refusals: ReadonlyArray<readonly [step: string, hook: Omit<Hook, "name">, chats: number]> = [
    ["preCall", { preCall: () => Effect.fail(invalid("no", "x")) }, 0],
    ["filterDeployments", { filterDeployments: () => Effect.fail(invalid("no", "x")) }, 0],
    ["preDeployment", { preDeployment: () => Effect.fail(invalid("no", "x")) }, 0],
    ["postCall", { postCall: () => Effect.fail(invalid("no", "x")) }, 1]
  ]
  for (const [step, hook, chats] of refusals) {
    it.effect(`one that refuses in ${step} ends the call there`, () =>
      Effect.gen(function* () {
        const log: Array<string> = []
        const world = yield* World.make({
          ...three,
          hooks: [{ name: "refusing", ...hook }, recorder("after", log)]
        })
        const instance = yield* world.start()
        const error = yield* Effect.flip(instance.chat({ model: "m" }))
        assert.strictEqual(error._tag, "InvalidRequest")
        assert.strictEqual(log.at(-1), "after.onFailure CallFailed InvalidRequest")
        assert.notInclude(log.join(), `after.${step}`)
        const made = ["first", "second", "third"].flatMap((id) => world.account(id).calls("chat"))
        assert.strictEqual(made.length, chats)
      })
    )
  }

  it.effect("one that leaves no candidate makes the model unknown", () =>
    Effect.gen(function* () {
      const world = yield* World.make({
        ...one,
        hooks: [{ name: "none", filterDeployments: () => Effect.succeed([]) }]
      })
      const instance = yield* world.start()
      assert.strictEqual((yield* Effect.flip(instance.chat()))._tag, "ModelNotFound")
    })
  )

  it.effect("one may pass on another call", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const world = yield* World.make({
        hooks: [
          {
            name: "redirecting",
            preCall: (call) =>
              Effect.succeed(
                call.operation._tag === "RetrieveFile"
                  ? { ...call, operation: { ...call.operation, id: "file-other" } }
                  : call
              )
          },
          {
            name: "watching",
            preCall: (call) =>
              Effect.sync(() => {
                if (call.operation._tag === "RetrieveFile") seen.push(call.operation.id)
                return call
              })
          }
        ]
      })
      const instance = yield* world.start()
      const error = yield* Effect.flip(instance.retrieve("file-given"))
      assert.deepStrictEqual(seen, ["file-other"])
      assert.instanceOf(error, NotFound)
    })
  )

  it.effect("one that asks for it has the same deployment tried once more, and only once", () =>
    Effect.gen(function* () {
      const asked: Array<number> = []
      const hook: Hook = {
        name: "hopeful",
        onFailure: (_call, failure) =>
          Effect.sync(() => {
            if (failure._tag === "CallFailed") return null
            asked.push(1)
            return { _tag: "Retry" }
          })
      }
      const world = yield* World.make({ ...one, hooks: [hook] })
      const instance = yield* world.start()
      const account = world.account("east")
      account.script("chat", answer(400))
      assert.include(yield* instance.chat(), "chat.completion")
      assert.strictEqual(account.calls("chat").length, 2)
      account.script("chat", answer(400, "one"), answer(400, "two"), answer(400, "three"))
      const error = yield* Effect.flip(instance.chat())
      assert.include(error.message, "two")
      assert.strictEqual(account.calls("chat").length, 4)
      assert.strictEqual(asked.length, 3)
    })
  )

  it.effect("an error that one puts in the place of the provider's is what the others and the caller see", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const translating: Hook = {
        name: "translating",
        onFailure: (_call, failure) => {
          if (failure._tag === "CallFailed") return Effect.succeed(null)
          const { account, call, maybeAccepted } = failure.error
          const reason = new Rejected({ status: 418, message: "in other words", type: null, param: null, code: null })
          return Effect.succeed({
            _tag: "Proceed",
            error: new ProviderError({ account, call, maybeAccepted, reason })
          })
        }
      }
      const world = yield* World.make({ ...one, hooks: [translating, recorder("after", log)] })
      const instance = yield* world.start()
      world.account("east").script("chat", answer(500))
      const error = yield* Effect.flip(instance.chat())
      if (error._tag !== "ProviderRefused") return assert.fail(error._tag)
      assert.strictEqual(error.status, 418)
      assert.strictEqual(error.message, "in other words")
      assert.include(log, "after.onFailure DeploymentFailed Rejected")
    })
  )

  it.effect("one that answers under another tag is a defect, not an answer", () =>
    Effect.gen(function* () {
      const world = yield* World.make({
        ...one,
        hooks: [{ name: "wrong", postCall: () => Effect.succeed({ _tag: "ListModels", models: [] }) }]
      })
      const instance = yield* world.start()
      const exit = yield* Effect.exit(instance.chat())
      assert.isTrue(Exit.hasDies(exit))
    })
  )

  it.effect("one that cannot prepare a request for an account makes way for the next", () =>
    Effect.gen(function* () {
      const world = yield* World.make({
        ...three,
        hooks: [
          {
            name: "picky",
            preDeployment: (_call, { account }, request) =>
              account === "third"
                ? Effect.succeed(request)
                : Effect.fail(new AccountFailure({ account, message: "is not to my taste", timedOut: false }))
          }
        ]
      })
      const instance = yield* world.start()
      assert.include(yield* instance.chat({ model: "m" }), '"account":"third"')
    })
  )
})

describe("ModelCalls", () => {
  const failover: ReadonlyArray<readonly [name: string, fault: Fault, next: boolean, error: string]> = [
    ["429", answer(429), true, ""],
    ["500", answer(500), true, ""],
    ["503", answer(503), true, ""],
    ["408", answer(408), true, ""],
    ["no connection", { _tag: "Refuse" }, true, ""],
    ["a connection that breaks", { _tag: "Cut", after: "all" }, true, ""],
    ["400", answer(400), false, "ProviderRefused"],
    ["404", answer(404), false, "ProviderRefused"],
    ["413", answer(413), false, "ProviderRefused"],
    ["401", answer(401), false, "ProvidersFailed"],
    ["403", answer(403), false, "ProvidersFailed"]
  ]
  for (const [name, fault, next, tag] of failover) {
    it.effect(`${next ? "goes on to the next deployment" : "stays"} after ${name}`, () =>
      Effect.gen(function* () {
        const world = yield* World.make(three)
        const instance = yield* world.start()
        world.account("first").script("chat", fault)
        const outcome = yield* Effect.result(instance.chat({ model: "m" }))
        if (Result.isSuccess(outcome)) {
          assert.isTrue(next)
          assert.include(outcome.success, '"account":"second"')
        } else {
          assert.isFalse(next)
          assert.strictEqual(outcome.failure._tag, tag)
          if (outcome.failure._tag === "ProvidersFailed") assert.include(outcome.failure.message, "first")
        }
        assert.strictEqual(world.account("second").calls("chat").length, next ? 1 : 0)
        assert.strictEqual(world.account("third").calls("chat").length, 0)
      }).pipe(Random.withSeed("failover"))
    )
  }

  it.effect("passes on what the provider refuses, as it said it", () =>
    Effect.gen(function* () {
      const world = yield* World.make(one)
      const instance = yield* world.start()
      const error = { message: "Too hot", type: "invalid_request_error", param: "temperature", code: "hot" }
      world.account("east").script("chat", { _tag: "Answer", status: 422, body: { error } })
      const refused = yield* Effect.flip(instance.chat())
      if (refused._tag !== "ProviderRefused") return assert.fail(refused._tag)
      const { account, code, message, param, status, type } = refused
      assert.deepStrictEqual(
        { account, code, message, param, status, type },
        { account: "east", status: 422, ...error }
      )
    })
  )

  it.effect("all rate limited: the shortest time that any of them asks for", () =>
    Effect.gen(function* () {
      const world = yield* World.make(three)
      const instance = yield* world.start()
      world.account("first").script("chat", answer(429, "", { "retry-after": "30" }))
      world.account("second").script("chat", answer(429, "", { "retry-after": "12" }))
      world.account("third").script("chat", answer(429))
      const error = yield* Effect.flip(instance.chat({ model: "m" }))
      if (error._tag !== "RateLimited") return assert.fail(error._tag)
      assert.strictEqual(error.retryAfter, 12_000)
    })
  )

  it.effect("all rate limited and none says for how long: no time", () =>
    Effect.gen(function* () {
      const world = yield* World.make(one)
      const instance = yield* world.start()
      world.account("east").script("chat", answer(429))
      const error = yield* Effect.flip(instance.chat())
      if (error._tag !== "RateLimited") return assert.fail(error._tag)
      assert.isNull(error.retryAfter)
    })
  )

  it.effect("all failing: every account and its reason, and never an address or key", () =>
    Effect.gen(function* () {
      const world = yield* World.make(three)
      const instance = yield* world.start()
      world.account("first").script("chat", answer(429))
      world.account("second").script("chat", answer(503, `at ${World.apiKeyOf("second")} second.provider.test`))
      world.account("third").script("chat", { _tag: "Refuse" })
      const error = yield* Effect.flip(instance.chat({ model: "m" }))
      if (error._tag !== "ProvidersFailed") return assert.fail(error._tag)
      assert.sameMembers(
        error.failures.map(({ account }) => account),
        ["first", "second", "third"]
      )
      for (const text of ["first is rate limiting", "second answered 503", "third could not be reached"]) {
        assert.include(error.message, text)
      }
      assert.notInclude(error.message, "provider.test")
      assert.notInclude(error.message, "secret")
    })
  )

  it.effect("a deployment that failed is passed over until it has cooled down", () =>
    Effect.gen(function* () {
      const world = yield* World.make(three)
      const instance = yield* world.start()
      world.account("first").script("chat", answer(503))
      yield* instance.chat({ model: "m" })
      yield* instance.chat({ model: "m" })
      assert.strictEqual(world.account("first").calls("chat").length, 1)
      yield* advance(70_000, 10_000)
      yield* instance.chat({ model: "m" })
      assert.strictEqual(world.account("first").calls("chat").length, 2)
    }).pipe(Random.withSeed("cooling"))
  )

  it.effect("an unknown model and one that the key may not use answer alike, and nothing is called", () =>
    Effect.gen(function* () {
      const world = yield* World.make(three)
      const instance = yield* world.start()
      const unknown = yield* Effect.flip(instance.chat({ model: "nope" }))
      const foreign = yield* Effect.flip(instance.chat({ model: "m", principal: withModels(bob, "other") }))
      assert.strictEqual(unknown._tag, "ModelNotFound")
      assert.strictEqual(foreign._tag, "ModelNotFound")
      assert.strictEqual(world.account("first").exchanges.length, 0)
    })
  )

  it.effect("puts the deployment's model in its place and leaves every other byte", () =>
    Effect.gen(function* () {
      const world = yield* World.make(one)
      const instance = yield* world.start()
      const body = '{ "unknown" : [1.50, "both"],"model":\t"both" ,\n "messages":[], "metadata":{"model":"both"} }'
      yield* Effect.scoped(instance.run(chatOf(body)))
      const [exchange] = world.account("east").calls("chat")
      assert.strictEqual(decode(exchange?.body ?? encode("")), body.replace('\t"both"', '\t"east-model"'))
    })
  )

  it.effect("sends the very body where nothing is to be put in place", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const chat = chatOf('{"model":"east-only","messages":[]}')
      yield* Effect.scoped(instance.run(chat))
      assert.strictEqual(world.account("east").calls("chat")[0]?.request.body, chat.body.chunks[0])
    })
  )

  it.effect("a model named twice cannot smuggle one in that the key may not use", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const principal = withModels(alice, "east-only")
      yield* Effect.scoped(instance.run(chatOf('{"model":"both","messages":[],"model":"east-only"}'), principal))
      const [exchange] = world.account("east").calls("chat")
      assert.strictEqual(
        decode(exchange?.body ?? encode("")),
        '{"model":"east-only","messages":[],"model":"east-only"}'
      )
    })
  )

  it.effect("gives up an answer that is not read to its end when the caller's scope closes", () =>
    Effect.gen(function* () {
      const world = yield* World.make(one)
      const instance = yield* world.start()
      yield* Effect.scoped(instance.run(chatOf('{"model":"both","messages":[]}')))
      assert.strictEqual(world.account("east").cancelled, 1)
    })
  )

  it.effect("counts a deployment as busy until its answer has been read", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const first = new Map<string, number>()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const held = yield* instance.run(chatOf('{"model":"both","messages":[]}'))
          for (let call = 0; call < 300; call++) {
            const { account } = JSON.parse(yield* instance.chat()) as { readonly account: string }
            first.set(account, (first.get(account) ?? 0) + 1)
          }
          const busy = first.get(held.deployment.account) ?? 0
          // One call against none: a share of 1/2 against 1.
          assert.approximately(busy / 300, 1 / 3, 0.1)
        })
      )
    }).pipe(Random.withSeed("busy"))
  )

  it.effect("reads an answer that has come whole as well as one that streams", () =>
    Effect.gen(function* () {
      const world = yield* World.make(one)
      const instance = yield* world.start()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { deployment, response } = yield* instance.run(chatOf('{"model":"both","messages":[]}'))
          assert.strictEqual(deployment.id, "d")
          assert.strictEqual(response.status, 200)
          const body = yield* Effect.promise(() => Bytes.collect(response.body))
          assert.include(decode(body), "east-model")
        })
      )
    })
  )
})
