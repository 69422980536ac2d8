/**
 * Random histories of an installation: uploads, deletions, chats, failing providers and storage, crashes. Whatever
 * happened, in the end every copy belongs to a file, every file has what it says it has, and nobody has lost
 * what was promised to them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import type { CallError } from "../src/CallError.ts"
import type { ManagedFile } from "../src/ManagedFile.ts"
import { answer, type CallName, type Fault } from "./support/FakeProvider.ts"
import { problems } from "./support/invariants.ts"
import { alice, bob } from "./support/principals.ts"
import * as SharedStorage from "./support/SharedStorage.ts"
import { advance, settle, until } from "./support/time.ts"
import * as World from "./support/World.ts"

const faults: ReadonlyArray<Fault> = [
  answer(400),
  answer(401),
  answer(429, "", { "retry-after": "1" }),
  answer(500),
  { _tag: "Refuse" },
  { _tag: "Cut", after: "part" },
  { _tag: "Cut", after: "all" },
  { _tag: "CutAnswer", at: "head" },
  { _tag: "CutAnswer", at: "body" },
  { _tag: "Hang", done: true },
  { _tag: "Hang", done: false },
  { _tag: "Delay", millis: 3_000 }
]

const accounts = ["east", "west"] as const
const models = [["both"], ["both", "west-only"], ["east-only"], ["west-only"], []] as const
const owners = { alice, bob }

type Step =
  | {
      readonly _tag: "Upload"
      readonly owner: keyof typeof owners
      readonly content: string
      readonly models: (typeof models)[number]
      readonly key: string | null
    }
  | { readonly _tag: "Delete" | "Chat" | "Steal"; readonly of: number; readonly model: string }
  | { readonly _tag: "Fault"; readonly account: string; readonly call: CallName; readonly faults: ReadonlyArray<Fault> }
  | { readonly _tag: "Drop"; readonly of: number }
  | { readonly _tag: "Storage"; readonly commit: number; readonly how: "Fail" | "FailAfter" | "Conflict" }
  | { readonly _tag: "Pass"; readonly millis: number }
  | { readonly _tag: "Interrupt"; readonly of: number }
  | { readonly _tag: "Round" | "Kill" | "Restart" | "Join" }

const index = fc.nat({ max: 20 })
const model = fc.constantFrom("both", "east-only", "west-only")

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      _tag: fc.constant("Upload" as const),
      owner: fc.constantFrom("alice" as const, "bob" as const),
      // Few contents: the same name and size again and again is what makes orphans hard to tell.
      content: fc.constantFrom("aaaa", "bbbb", "longer content"),
      models: fc.constantFrom(...models),
      key: fc.option(fc.constantFrom("k1", "k2"), { freq: 1 })
    })
  },
  {
    weight: 6,
    arbitrary: fc.record({
      _tag: fc.constant("Fault" as const),
      account: fc.constantFrom(...accounts),
      call: fc.constantFrom<Array<CallName>>("create", "create", "create", "delete", "list", "retrieve", "chat"),
      faults: fc.array(fc.constantFrom(...faults), { minLength: 1, maxLength: 3 })
    })
  },
  {
    weight: 6,
    arbitrary: fc.record({
      _tag: fc.constantFrom("Delete" as const, "Chat" as const, "Steal" as const),
      of: index,
      model
    })
  },
  {
    weight: 4,
    arbitrary: fc.record({ _tag: fc.constant("Pass" as const), millis: fc.constantFrom(1, 300, 2_000, 9_000) })
  },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Drop" as const), of: index }) },
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("Interrupt" as const), of: index }) },
  {
    weight: 2,
    arbitrary: fc.record({
      _tag: fc.constant("Storage" as const),
      commit: fc.integer({ min: 1, max: 6 }),
      how: fc.constantFrom("Fail" as const, "FailAfter" as const, "Conflict" as const)
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({
      _tag: fc.constantFrom("Round" as const, "Kill" as const, "Restart" as const, "Join" as const)
    })
  }
)

/** What a client knows: what it asked for, and the answer if it got one. */
interface Asked {
  readonly owner: keyof typeof owners
  readonly content: string
  readonly key: string | null
  readonly fiber: Fiber.Fiber<ManagedFile, CallError>
}

interface Known extends Asked {
  readonly id: string
  readonly name: string
  deletion: "none" | "asked" | "done"
}

class History {
  readonly asked: Array<Asked> = []
  readonly known: Array<Known> = []
  /** Copies that the provider has dropped by itself. */
  readonly dropped = new Set<string>()

  /** Takes note of the answers that have come. */
  read(): void {
    for (const one of this.asked) {
      const exit = one.fiber.pollUnsafe()
      if (exit === undefined || !Exit.isSuccess(exit)) continue
      const { filename, id } = exit.value
      if (id === null || this.known.some((other) => other.fiber === one.fiber)) continue
      const same = this.known.find((other) => other.id === id)
      if (same === undefined) this.known.push({ ...one, id, name: filename, deletion: "none" })
      else assert.strictEqual(same.content, one.content, "two contents under one ID")
    }
  }

  pick(of: number): Known | undefined {
    this.read()
    return this.known[of % Math.max(1, this.known.length)]
  }
}

const perform = Effect.fnUntraced(function* (world: World.World, history: History, run: Running, step: Step) {
  const { instance } = run
  switch (step._tag) {
    case "Upload": {
      const { content, key, models, owner } = step
      const upload = { content, principal: owners[owner], models: [...models], idempotencyKey: key }
      history.asked.push({ owner, content, key, fiber: yield* Effect.forkDetach(instance.upload(upload)) })
      break
    }
    case "Delete": {
      const file = history.pick(step.of)
      if (file === undefined) break
      if (file.deletion === "none") file.deletion = "asked"
      const noted = Effect.sync(() => void (file.deletion = "done"))
      yield* Effect.forkDetach(Effect.andThen(instance.remove(file.id, owners[file.owner]), noted))
      break
    }
    case "Chat": {
      const file = history.pick(step.of)
      if (file === undefined) break
      const chat = instance.chat({ model: step.model, files: [file.id], principal: owners[file.owner] })
      yield* Effect.forkDetach(
        Effect.map(chat, (body) => {
          // Whatever copy it was that the model read, it is this file's.
          if (!body.includes(JSON.stringify({ files: [file.content] }).slice(1, -1))) run.wrong.push(body)
        })
      )
      break
    }
    case "Steal": {
      const file = history.pick(step.of)
      if (file === undefined) break
      const thief = file.owner === "alice" ? bob : alice
      const error = yield* Effect.flip(instance.retrieve(file.id, thief))
      if (error._tag !== "NotFound") run.wrong.push(error._tag)
      break
    }
    case "Fault":
      world.account(step.account).script(step.call, ...step.faults)
      break
    case "Drop": {
      const files = world.provider.files()
      const file = files[step.of % Math.max(1, files.length)]
      if (file === undefined) break
      world.account(file.account).files.delete(file.id)
      history.dropped.add(file.id)
      break
    }
    case "Storage":
      instance.storage.interfere = SharedStorage.at(
        instance.storage.calls.commit + step.commit,
        { _tag: step.how },
        "commit"
      )
      break
    case "Pass":
      yield* advance(step.millis, 1_000)
      break
    case "Interrupt":
      history.asked[step.of % Math.max(1, history.asked.length)]?.fiber.interruptUnsafe()
      break
    case "Round":
      yield* Effect.forkDetach(instance.round)
      break
    case "Kill":
      instance.kill()
      run.instance = yield* world.start()
      break
    case "Restart":
      yield* Effect.forkDetach(instance.stop)
      run.instance = yield* world.start()
      break
    case "Join":
      run.instance = yield* world.start()
      break
  }
  yield* settle
})

interface Running {
  instance: World.Instance
  /** What a client saw that it should not have seen. */
  readonly wrong: Array<string>
}

/** Everything is well again from here on. */
const mend = (world: World.World, instances: ReadonlyArray<World.Instance>): void => {
  for (const id of accounts) world.account(id).mend()
  for (const { storage } of instances) storage.interfere = () => undefined
}

const check = Effect.fnUntraced(function* (history: History, { instance, wrong }: Running) {
  history.read()
  assert.deepStrictEqual(wrong, [])
  for (const file of history.known) {
    const principal = owners[file.owner]
    const found = yield* Effect.result(instance.content(file.id, principal))
    if (file.deletion === "done") {
      assert.strictEqual(found._tag === "Failure" ? found.failure._tag : "found", "NotFound")
    } else if (file.deletion === "none") {
      assert.deepStrictEqual(found._tag === "Success" ? found.success : found.failure, file.content)
      // It can be used everywhere, also where its copy is gone.
      const body = yield* instance.chat({ files: [file.id], principal })
      assert.include(body, file.content)
    }
  }
  for (const [owner, principal] of Object.entries(owners)) {
    const { files } = yield* instance.list({ limit: 10_000 }, principal)
    const listed = new Set(files.map(({ id }) => id))
    for (const { deletion, id, owner: of } of history.known) {
      if (of === owner && deletion !== "asked") assert.strictEqual(listed.has(id), deletion === "none")
      if (of !== owner) assert.isFalse(listed.has(id))
    }
  }
  // One key, one content, one file.
  const keyed = new Map<string, string>()
  for (const { content, deletion, id, key, owner } of history.known) {
    if (key === null || deletion !== "none") continue
    const claim = `${owner} ${key}`
    assert.strictEqual(keyed.get(claim) ?? id, id, `${claim} ${content}`)
    keyed.set(claim, id)
  }
})

interface Installation {
  readonly onPartialFailure: "all" | "any"
  /** Whether others use the west account too, so that nothing may be deleted there that was only found. */
  readonly shared: boolean
}

const play = (history: ReadonlyArray<Step>, { onPartialFailure, shared }: Installation) =>
  Effect.gen(function* () {
    const started: Array<World.Instance> = []
    const policy = { attempts: 2, uploadTimeout: 20_000 }
    const made = yield* World.make({
      accounts: accounts.map((id) => ({ id, policy, exclusive: !(shared && id === "west") })),
      settings: { onPartialFailure }
    })
    const world: World.World = {
      ...made,
      start: (...args) => Effect.tap(made.start(...args), (instance) => Effect.sync(() => started.push(instance)))
    }
    const run: Running = { instance: yield* world.start(), wrong: [] }
    const past = new History()
    for (const step of history) yield* perform(world, past, run, step)
    mend(world, started)
    const wrong = () => problems(world, { dropped: past.dropped, shared: shared ? ["west"] : [] })
    yield* until("everything has come to rest", () => wrong().length === 0, 400_000, 1_000).pipe(
      Effect.catchDefect(() => Effect.sync(() => assert.deepStrictEqual(wrong(), [])))
    )
    yield* check(past, run)
    // And so it stays, however much later one looks.
    yield* advance(30_000, 1_000)
    assert.deepStrictEqual(wrong(), [])
  }).pipe(Effect.scoped, Random.withSeed("model"), Effect.provide(TestClock.layer()))

describe("a history of uploads, deletions, chats, failures and crashes", () => {
  it("leaves every file whole or gone, and no copy that nobody owns", async () => {
    const installations = fc.record({
      onPartialFailure: fc.constantFrom("all" as const, "any" as const),
      shared: fc.boolean()
    })
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 3, maxLength: 16 }), installations, (history, installation) =>
        Effect.runPromise(play(history, installation))
      ),
      { numRuns: 100, seed: 5 }
    )
  }, 60_000)
})
