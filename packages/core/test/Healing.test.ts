import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import * as Tracer from "effect/Tracer"
import type { Event } from "../src/Event.ts"
import type { Hook } from "../src/Hooks.ts"
import { isUsable, jobLead, Replica } from "../src/ManagedFile.ts"
import { answer, type FakeAccount, refusal } from "./support/FakeProvider.ts"
import { copyIn, idOf, sentFiles } from "./support/lookups.ts"
import { advance, settle } from "./support/time.ts"
import * as World from "./support/World.ts"

const onEast = { models: ["east-only"] }
const minute = 60_000
const hour = 60 * minute

const started = Effect.fnUntraced(function* (options: World.Options = {}) {
  const world = yield* World.make({ settings: World.unhurried, ...options })
  return { world, east: world.account("east"), instance: yield* world.start() }
})

/** How often copies of an account have been renewed in this process, whatever for. */
const renewals = (account: string, why: string) =>
  Effect.map(
    Metric.value(
      Metric.counter("omnifile_copies_renewed_total", {
        description: "Provider copies that had to be made again",
        incremental: true,
        attributes: { account, why }
      })
    ),
    ({ count }) => Number(count)
  )

describe("a copy that its provider does not have any more", () => {
  const missing = "The File you named does not exist, or you may not use it"
  const forms: ReadonlyArray<readonly [name: string, lose: (east: FakeAccount, remote: string) => void]> = [
    ["is not found", (east) => east.files.clear()],
    [
      "is not found, in the words of a malformed request",
      (east) => {
        east.files.clear()
        east.script("chat", answer(400, "Invalid file"))
      }
    ],
    [
      "is forbidden, as is all that is not there",
      (east) => {
        east.files.clear()
        east.script("chat", refusal(403, "gone", missing))
        east.script("retrieve", refusal(403, "gone", missing))
      }
    ],
    [
      "is said to be gone by its name, and nobody is asked for more",
      (east, remote) => {
        east.script("chat", refusal(403, "gone", `${missing}: ${remote}`))
        east.always("retrieve", answer(500))
      }
    ],
    [
      "has expired, though it is still known",
      (east, remote) => {
        east.script("chat", answer(404, "The file has expired"))
        east.script("retrieve", { _tag: "Answer", status: 200, body: { id: remote, expires_at: 1 } })
      }
    ],
    [
      "could not be processed after all",
      (east, remote) => {
        east.script("chat", answer(400, "The file is not in a state to be used"))
        east.script("retrieve", { _tag: "Answer", status: 200, body: { id: remote, status: "error" } })
      }
    ]
  ]
  for (const [name, lose] of forms) {
    it.effect(`${name}: it is made again, and the call goes on`, () =>
      Effect.gen(function* () {
        const { east, instance, world } = yield* started()
        const file = yield* instance.upload(onEast)
        const before = yield* renewals("east", "lost")
        lose(east, copyIn(world, "east"))
        assert.include(yield* instance.chat({ model: "east-only", files: [idOf(file)] }), "content")
        assert.deepStrictEqual(sentFiles(world, "east"), ["file-east-2"])
        assert.strictEqual(east.calls("create").length, 2)
        assert.strictEqual(east.calls("chat").length, 2)
        assert.strictEqual((yield* renewals("east", "lost")) - before, 1)
      })
    )
  }

  it.effect("is not looked for when the credentials are refused", () =>
    Effect.gen(function* () {
      const { east, instance } = yield* started()
      const file = yield* instance.upload(onEast)
      for (const status of [401, 403]) {
        east.script("chat", answer(status))
        const error = yield* Effect.flip(instance.chat({ model: "east-only", files: [idOf(file)] }))
        assert.strictEqual(error._tag, "ProvidersFailed")
      }
      assert.strictEqual(east.calls("retrieve").length, 0)
      assert.strictEqual(east.calls("create").length, 1)
    })
  )

  it.effect("is made once for 200 calls at the same moment", () =>
    Effect.gen(function* () {
      const { east, instance } = yield* started()
      const file = yield* instance.upload(onEast)
      east.files.clear()
      const chat = instance.chat({ model: "east-only", files: [idOf(file)] })
      const answers = yield* Effect.forEach(Array.from({ length: 200 }), () => chat, { concurrency: "unbounded" })
      assert.isTrue(answers.every((text) => text.includes("content")))
      assert.strictEqual(east.calls("create").length, 2)
      assert.strictEqual(east.calls("retrieve").length, 1)
      assert.strictEqual(east.files.size, 1)
    })
  )

  it.effect("three of them in one call are all made again for its one other try", () =>
    Effect.gen(function* () {
      const { east, instance } = yield* started()
      const files = yield* Effect.forEach(["1", "2", "3"], (content) => instance.upload({ ...onEast, content }))
      east.files.clear()
      yield* instance.chat({ model: "east-only", files: files.map(idOf) })
      assert.strictEqual(east.calls("chat").length, 2)
      assert.strictEqual(east.calls("create").length, 6)
    })
  )

  it.effect("is not thrown away by one who learns late of the loss of the one before", () =>
    Effect.gen(function* () {
      const { east, instance, world } = yield* started()
      const file = yield* instance.upload(onEast)
      const late = yield* world.start()
      const chat = { model: "east-only", files: [idOf(file)] }
      east.files.clear()
      const latch = yield* Latch.make(false)
      east.script("retrieve", { _tag: "Wait", latch })
      const waiting = yield* Effect.forkChild(late.chat(chat), { startImmediately: true })
      yield* settle
      assert.strictEqual(east.calls("retrieve").length, 1)
      yield* instance.chat(chat)
      const healed = copyIn(world, "east")
      yield* latch.open
      assert.include(yield* Fiber.join(waiting), "content")
      assert.strictEqual(east.calls("create").length, 2)
      assert.deepStrictEqual(sentFiles(world, "east"), [healed])
    })
  )

  it.effect("leaves a copy that is there alone, whatever else is wrong with the call", () =>
    Effect.gen(function* () {
      const { east, instance } = yield* started()
      const file = yield* instance.upload(onEast)
      east.script("chat", answer(400, "temperature is too high"))
      const error = yield* Effect.flip(instance.chat({ model: "east-only", files: [idOf(file)] }))
      assert.strictEqual(error._tag, "ProviderRefused")
      assert.strictEqual(east.calls("create").length, 1)
    })
  )
})

describe("a copy near its end", () => {
  const expiring = Effect.fnUntraced(function* (told: Array<string> = []) {
    const listening: Hook = {
      name: "listening",
      onEvent: (event: Event) => Effect.sync(() => void told.push(event.type))
    }
    const installation = yield* started({ hooks: [listening] })
    installation.east.copyLife = 3 * hour
    const file = yield* installation.instance.upload(onEast)
    const chat = installation.instance.chat({ model: "east-only", files: [idOf(file)] })
    return { ...installation, chat, file }
  })

  it.effect("is replaced before a call uses it, which no provider has to refuse first", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const { chat, east, world } = yield* expiring(told)
      const before = yield* renewals("east", "expiring")
      yield* advance(3 * hour - 11 * minute, 10 * minute)
      yield* chat
      assert.deepStrictEqual(sentFiles(world, "east"), ["file-east-1"])
      yield* advance(2 * minute, minute)
      yield* chat
      assert.deepStrictEqual(sentFiles(world, "east"), ["file-east-2"])
      assert.strictEqual(east.calls("chat").length, 2)
      assert.strictEqual((yield* renewals("east", "expiring")) - before, 1)
      yield* settle
      assert.deepStrictEqual(told.slice(-3), ["replica.expired", "replica.repaired", "file.ready"])
    })
  )

  it.effect("says in its trace why another took its place", () =>
    Effect.gen(function* () {
      const { chat } = yield* expiring()
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      yield* advance(3 * hour - 9 * minute, 10 * minute)
      yield* chat.pipe(Effect.withSpan("call"), Effect.withTracer(tracer))
      const why = spans.flatMap(({ attributes, name }) => {
        const renewed = attributes.get("omnifile.copy.renewed")
        return renewed === undefined ? [] : [[name, renewed]]
      })
      assert.deepStrictEqual(why, [["Replication.copy", "expiring"]])
      assert.strictEqual(new Set(spans.map(({ traceId }) => traceId)).size, 1)
    })
  )

  it.effect("is left to calls that have begun, and deleted with its file", () =>
    Effect.gen(function* () {
      const { chat, east, file, instance } = yield* expiring()
      yield* advance(3 * hour - 9 * minute, 10 * minute)
      yield* chat
      yield* advance(3 * minute, minute)
      assert.deepStrictEqual([...east.files.keys()], ["file-east-1", "file-east-2"])
      yield* instance.remove(idOf(file))
      yield* advance(minute, 1_000)
      assert.deepStrictEqual([...east.files.keys()], [])
    })
  )

  it.effect("serves on if no other can be made", () =>
    Effect.gen(function* () {
      const { chat, east, world } = yield* expiring()
      yield* advance(3 * hour - 9 * minute, 10 * minute)
      east.always("create", answer(400, "no"))
      yield* chat
      assert.deepStrictEqual(sentFiles(world, "east"), ["file-east-1"])
      assert.strictEqual(east.calls("create").length, 2)
    })
  )

  it.effect("is too old for a job sooner than for a call", () =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const replica = (life: number) =>
        new Replica({
          account: "east",
          variant: "original",
          state: "ready",
          remoteId: "file-1",
          instance: null,
          createdAt: now,
          updatedAt: now,
          expiresAt: now + life,
          error: null
        })
      const call = { longest: 10 * minute, share: 0.1 }
      const two = replica(48 * hour)
      assert.isTrue(isUsable(two, now + 23 * hour, jobLead))
      assert.isFalse(isUsable(two, now + 25 * hour, jobLead))
      assert.isTrue(isUsable(two, now + 47 * hour, call))
      assert.isTrue(isUsable(replica(30 * 24 * hour), now + 28 * 24 * hour, jobLead))
      // A short life is not all lead.
      assert.isTrue(isUsable(replica(10 * minute), now + 8 * minute, call))
      assert.isFalse(isUsable(replica(10 * minute), now + 9.5 * minute, call))
    })
  )
})

it.effect("two days on, a copy that is dropped by its provider is there again, once", () =>
  Effect.gen(function* () {
    const { east, instance, world } = yield* started()
    east.copyLife = 48 * hour
    const file = yield* instance.upload(onEast)
    yield* advance(48 * hour + minute, hour)
    assert.include(yield* instance.chat({ model: "east-only", files: [idOf(file)] }), "content")
    assert.deepStrictEqual(sentFiles(world, "east"), ["file-east-2"])
    assert.strictEqual(east.calls("chat").length, 1)
  })
)

describe("a request that one account finds too large", () => {
  const chat = (file: string) => ({ model: "both", files: [file] })

  it.effect("goes to the next", () =>
    Effect.gen(function* () {
      const { instance, world } = yield* started()
      const file = yield* instance.upload()
      world.account("east").always("chat", refusal(413, "too_large"))
      for (const _ of Array.from({ length: 8 })) {
        assert.include(yield* instance.chat(chat(idOf(file))), '"account":"west"')
      }
    })
  )

  it.effect("is refused as it is if all do", () =>
    Effect.gen(function* () {
      const { instance, world } = yield* started()
      const file = yield* instance.upload()
      for (const id of ["east", "west"]) world.account(id).always("chat", refusal(413, "too_large", "too much"))
      const error = yield* Effect.flip(instance.chat(chat(idOf(file))))
      if (error._tag !== "ProviderRefused") return assert.fail(error._tag)
      assert.deepInclude(error, { status: 413, message: "too much" })
    })
  )
})
