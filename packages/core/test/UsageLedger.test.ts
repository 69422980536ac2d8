import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import * as Bytes from "../src/Bytes.ts"
import type * as HttpTransport from "../src/HttpTransport.ts"
import type { Principal } from "../src/Principal.ts"
import type { Tokens } from "../src/Usage.ts"
import { UsageLedger } from "../src/UsageLedger.ts"
import type { ReadUsage } from "../src/UsageOperation.ts"
import * as UsageTap from "../src/UsageTap.ts"
import { Owner, ownerOf } from "../src/Access.ts"
import type { Answer, Call } from "../src/Hooks.ts"
import { Deployment } from "../src/Account.ts"
import { job } from "./support/jobs.ts"
import { admin, alice, aliceInRed, bob, carolInRed, lonelyKey, nobody } from "./support/principals.ts"
import { advance } from "./support/time.ts"
import * as UsageRecord from "../src/UsageRecord.ts"
import * as World from "./support/World.ts"

const query = (changes: Partial<ReadUsage> = {}): ReadUsage => ({
  _tag: "ReadUsage",
  from: Date.UTC(2029, 11, 31),
  to: Date.UTC(2031, 0, 1),
  groupBy: [],
  limit: 100,
  after: null,
  ...changes
})

const tokens = (input: number, output = 1): Tokens => ({ input, cachedInput: 0, output })

const used = (principal: Principal, input: number, model = "m") => ({
  owner: ownerOf(principal),
  model,
  account: "east",
  tokens: tokens(input)
})

const count = (instance: World.Instance, ...entries: ReadonlyArray<ReturnType<typeof used>>) =>
  instance.within(
    Effect.map(UsageLedger, (ledger) => {
      for (const entry of entries) ledger.count(entry)
    })
  )

const read = (instance: World.Instance, principal: Principal, changes: Partial<ReadUsage> = {}) =>
  Effect.map(instance.run(query(changes), principal), ({ objects }) => objects)

const inputs = (instance: World.Instance, principal: Principal, changes: Partial<ReadUsage> = {}) =>
  Effect.map(read(instance, principal, changes), (objects) => objects.map((object) => object["input_tokens"]))

describe("usage", () => {
  it.effect("is seen by those who may see what was made with it", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      yield* count(instance, used(alice, 1), used(alice, 10), used(aliceInRed, 100), used(lonelyKey, 1_000))
      const seen = yield* Effect.forEach([alice, bob, carolInRed, lonelyKey, nobody, admin], (who) =>
        inputs(instance, who)
      )
      assert.deepStrictEqual(seen, [[111], [], [100], [1_000], [], [1_111]])
    })
  )

  it.effect("is summed by what one asks for, in pages", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      yield* count(instance, used(alice, 1, "a"), used(alice, 2, "b"), used(bob, 4, "a"), used(aliceInRed, 8, "b"))
      const byModel = yield* read(instance, admin, { groupBy: ["model"] })
      assert.deepStrictEqual(
        byModel.map(({ id: _, ...object }) => object),
        ["a", "b"].map((model) => ({
          object: "usage",
          model,
          calls: 2,
          input_tokens: model === "a" ? 5 : 10,
          input_cached_tokens: 0,
          output_tokens: 2
        }))
      )
      const all = yield* read(instance, admin, { groupBy: ["user", "team", "key", "account", "model"] })
      assert.lengthOf(all, 4)
      assert.isTrue(all.every(({ key }) => String(key).startsWith("key_")))
      const first = yield* instance.run(query({ groupBy: ["user"], limit: 1 }), admin)
      assert.isTrue(first.hasMore)
      const after = String(first.objects[0]?.["id"])
      const rest = yield* instance.run(query({ groupBy: ["user"], limit: 1, after }), admin)
      assert.isFalse(rest.hasMore)
      assert.deepStrictEqual([...first.objects, ...rest.objects].map(({ user }) => user).sort(), ["alice", "bob"])
    })
  )

  it.effect("is kept by the hour, for spans of whole hours", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start(World.unhurried)
      const hour = 3_600_000
      const start = Date.UTC(2030, 0, 1)
      for (const input of [1, 2, 4]) {
        yield* count(instance, used(alice, input))
        yield* advance(2_000, 1_000)
        yield* TestClock.adjust(hour - 2_000)
      }
      const span = (from: number, to: number) => inputs(instance, alice, { from: start + from, to: start + to })
      assert.deepStrictEqual(yield* span(0, hour), [1])
      assert.deepStrictEqual(yield* span(hour, 3 * hour), [6])
      assert.deepStrictEqual(yield* span(hour + 1, 2 * hour), [2])
      assert.deepStrictEqual(yield* span(5 * hour, 6 * hour), [])
    })
  )

  it.effect("of a job is one record, however often its end is written", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const { registry, ...instance } = yield* world.start()
      const record = UsageRecord.ofJob(job("j"), tokens(7), Date.UTC(2030, 0, 1))
      yield* registry.commit([registry.usage.change(0, record)])
      const again = yield* Effect.flip(registry.commit([registry.usage.change(0, record)]))
      assert.strictEqual(again.reason._tag, "Conflict")
      assert.deepStrictEqual(yield* inputs({ registry, ...instance }, alice), [7])
      assert.deepStrictEqual(record.owner, new Owner({ user: "alice", team: null, keyHash: null }))
    })
  )

  it.effect("outlives the process, is written when it stops, and is tried again when storage fails", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const [one, two] = [yield* world.start(), yield* world.start()]
      yield* count(one, used(alice, 1))
      yield* count(two, used(alice, 10))
      yield* advance(2_000, 1_000)
      yield* count(one, used(alice, 100))
      yield* one.stop
      yield* two.stop
      const third = yield* world.start()
      assert.deepStrictEqual(yield* inputs(third, alice), [111])
    })
  )

  it.effect("of many calls at once on several instances is their sum", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.nat(2), fc.constantFrom(alice, bob), fc.nat(1_000)), { maxLength: 20 }),
          (calls) =>
            Effect.runPromise(
              Effect.scoped(
                Effect.gen(function* () {
                  const world = yield* World.make()
                  const instances = yield* Effect.all([world.start(), world.start(), world.start()])
                  yield* Effect.forEach(
                    calls,
                    ([index, who, input]) =>
                      Effect.gen(function* () {
                        const instance = instances[index]!
                        yield* count(instance, used(who, input))
                        if (input % 3 === 0) yield* instance.within(Effect.flatMap(UsageLedger, ({ flush }) => flush))
                      }),
                    { concurrency: "unbounded" }
                  )
                  for (const { within } of instances) yield* within(Effect.flatMap(UsageLedger, ({ flush }) => flush))
                  const total = calls.reduce((sum, [, , input]) => sum + input, 0)
                  const [all] = yield* read(instances[0], admin)
                  assert.deepStrictEqual([all?.["input_tokens"] ?? 0, all?.["calls"] ?? 0], [total, calls.length])
                })
              ).pipe(Effect.provide(TestClock.layer()))
            )
        ),
        { numRuns: 6 }
      )
    )
  )
})

describe("the tap on answers", () => {
  const counted: Array<number> = []
  const hook = UsageTap.make.pipe(
    Effect.provideService(UsageLedger, {
      count: ({ tokens }) => void counted.push(tokens.input),
      flush: Effect.void
    })
  )
  const deployment = new Deployment({ id: "d", account: "east", modelName: "m", model: "x", weight: 1 })
  const call = { principal: alice, operation: { _tag: "ChatCompletion" } } as unknown as Call
  const encoder = new TextEncoder()

  const respond = (body: Bytes.Bytes, more: Partial<HttpTransport.TransportResponse> = {}) => ({
    status: 200,
    headers: { "content-type": "text/event-stream" },
    complete: null,
    body,
    cancel: () => {},
    ...more
  })

  const tapped = (response: HttpTransport.TransportResponse, more: object = {}) =>
    Effect.scoped(
      Effect.gen(function* () {
        counted.length = 0
        const answer: Answer = { _tag: "ChatCompletion", deployment, response, ...more }
        const postCall = (yield* hook).postCall!
        const passed = yield* postCall(call, answer)
        return (passed as Extract<Answer, { readonly _tag: "ChatCompletion" }>).response
      })
    )

  const event = (input: number): string => `data: {"usage":{"prompt_tokens":${input},"completion_tokens":1}}\n\n`

  it.effect("leaves the bytes as they are and counts once, wherever chunks begin and end", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(fc.array(fc.nat(60)), fc.nat(), async (cuts, input) => {
          const whole = encoder.encode(
            `data: {"x":"${"ü".repeat(40)}","usage":null}\n\n${event(input)}data: [DONE]\n\n`
          )
          const edges = [0, ...cuts.map((cut) => (cut * 7) % whole.length).sort((a, b) => a - b), whole.length]
          const chunks = edges.slice(1).map((edge, index) => whole.slice(edges[index], edge))
          const response = await Effect.runPromise(tapped(respond(Bytes.fromArray(...chunks))))
          assert.deepStrictEqual(await Bytes.collect(response.body), whole)
          response.cancel()
          assert.deepStrictEqual(counted, [input])
        })
      )
    )
  )

  it.effect("finds the end of what is too long to keep", () =>
    Effect.gen(function* () {
      const long = `data: {"response":{"output":"${"x".repeat(200_000)}","usage":{"input_tokens":9,"output_tokens":1}}}\n\n`
      const response = yield* tapped(
        respond(Bytes.fromArray(...(long.match(/.{1,1000}|\n/g) ?? []).map((text) => encoder.encode(text))))
      )
      yield* Effect.promise(() => Bytes.collect(response.body))
      assert.deepStrictEqual(counted, [9])
    })
  )

  it.effect("counts a call that is given up, and one that reports nothing, without tokens", () =>
    Effect.gen(function* () {
      const unread = yield* tapped(respond(Bytes.fromArray()))
      unread.cancel()
      assert.deepStrictEqual(counted, [0])
      const left = yield* tapped(respond(Bytes.fromArray(encoder.encode("data: 1\n\n"), encoder.encode(event(5)))))
      yield* Effect.promise(async () => {
        for await (const _ of left.body) break
      })
      assert.deepStrictEqual(counted, [0])
      yield* tapped(respond(Bytes.fromArray(), { headers: { "content-encoding": "gzip" } }))
      assert.deepStrictEqual(counted, [0])
    })
  )

  it.effect("watches the wire itself where it can", () =>
    Effect.gen(function* () {
      let observer: HttpTransport.Observer | undefined
      const response = respond(Bytes.fromArray(), { observe: (given) => void (observer = given) })
      assert.strictEqual(yield* tapped(response), response)
      observer?.chunk(encoder.encode(event(3)))
      observer?.end()
      assert.deepStrictEqual(counted, [3])
    })
  )

  it.effect("reads short answers whole, and counts none where nothing was asked", () =>
    Effect.gen(function* () {
      const complete = encoder.encode('{"usage":{"prompt_tokens":4,"completion_tokens":1}}')
      yield* tapped(respond(Bytes.fromArray(complete), { headers: {}, complete }))
      assert.deepStrictEqual(counted, [4])
      yield* tapped(respond(Bytes.fromArray(), { complete: new Uint8Array(0) }))
      assert.deepStrictEqual(counted, [])
      yield* tapped(respond(Bytes.fromArray(complete), { headers: {}, complete }), { replayed: true })
      assert.deepStrictEqual(counted, [])
    })
  )
})
