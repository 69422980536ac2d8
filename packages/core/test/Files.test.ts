import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import type { RangeRequest } from "../src/Bytes.ts"
import * as Bytes from "../src/Bytes.ts"
import type { ManagedFile } from "../src/ManagedFile.ts"
import { answer, decode } from "./support/FakeProvider.ts"
import { problems } from "./support/invariants.ts"
import { idOf } from "./support/lookups.ts"
import { admin, alice, aliceInRed, bob, carolInRed, nobody, robotOfRed } from "./support/principals.ts"
import { advance, until } from "./support/time.ts"
import * as World from "./support/World.ts"

const names = (files: ReadonlyArray<ManagedFile>): ReadonlyArray<string> => files.map(({ filename }) => filename)

/** Files that are made one after the other, all in the same millisecond unless `pause` says otherwise. */
const makeFiles = Effect.fnUntraced(function* (
  instance: World.Instance,
  uploads: ReadonlyArray<World.Upload>,
  pause = 0
) {
  const files: Array<ManagedFile> = []
  for (const upload of uploads) {
    files.push(yield* instance.upload({ models: [], ...upload }))
    if (pause > 0) yield* advance(pause, pause)
  }
  return files
})

const numbered = (count: number, upload: World.Upload = {}): ReadonlyArray<World.Upload> =>
  Array.from({ length: count }, (_, index) => ({ ...upload, filename: String(index).padStart(3, "0") }))

describe("Files.list", () => {
  it.effect("is newest first unless it is asked otherwise, also within one millisecond", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      yield* makeFiles(instance, numbered(3), 1_000)
      yield* makeFiles(instance, numbered(6).slice(3))
      assert.deepStrictEqual(names((yield* instance.list()).files), ["005", "004", "003", "002", "001", "000"])
      assert.deepStrictEqual(names((yield* instance.list({ order: "asc" })).files), [
        "000",
        "001",
        "002",
        "003",
        "004",
        "005"
      ])
      assert.deepStrictEqual(world.account("east").exchanges, [])
    })
  )

  for (const order of ["asc", "desc"] as const) {
    it.effect(`shows every file once on pages of any size, ${order}`, () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        const instance = yield* world.start()
        yield* makeFiles(instance, numbered(5))
        yield* advance(1_000)
        yield* makeFiles(instance, numbered(13).slice(5))
        const all = names((yield* instance.list({ order })).files)
        assert.strictEqual(all.length, 13)
        for (const limit of [1, 2, 3, 5, 12, 13, 14]) {
          const seen: Array<string> = []
          for (let after: string | null = null, hasMore = true; hasMore;) {
            const page: { readonly files: ReadonlyArray<ManagedFile>; readonly hasMore: boolean } =
              yield* instance.list({ order, limit, after })
            assert.isAtMost(page.files.length, limit)
            seen.push(...names(page.files))
            hasMore = page.hasMore
            after = page.files.at(-1)?.id ?? null
            // A page that says that there is more is full, and what follows is not empty.
            if (hasMore) assert.strictEqual(page.files.length, limit)
            assert.isNotEmpty(page.files)
          }
          assert.deepStrictEqual(seen, all, `limit ${limit}`)
        }
      })
    )
  }

  it.effect("says that there is more only if there is", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      assert.deepStrictEqual(yield* instance.list(), { files: [], hasMore: false })
      yield* makeFiles(instance, numbered(3))
      assert.isFalse((yield* instance.list({ limit: 3 })).hasMore)
      assert.isTrue((yield* instance.list({ limit: 2 })).hasMore)
    })
  )

  it.effect("has files of one purpose where that is asked for", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      yield* makeFiles(instance, [
        { filename: "a", purpose: "batch" },
        { filename: "b", purpose: "vision" },
        { filename: "c", purpose: "batch" }
      ])
      assert.deepStrictEqual(names((yield* instance.list({ purpose: "batch" })).files), ["c", "a"])
      assert.deepStrictEqual(names((yield* instance.list({ purpose: "evals" })).files), [])
      const [, first] = (yield* instance.list({ purpose: "batch" })).files
      assert.deepStrictEqual(
        names((yield* instance.list({ purpose: "vision", after: idOf(first), order: "asc" })).files),
        ["b"]
      )
    })
  )

  it.effect("shows each what they may see", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      yield* makeFiles(instance, [
        { filename: "alice", principal: alice },
        { filename: "bob", principal: bob },
        { filename: "alice-red", principal: aliceInRed },
        { filename: "carol-red", principal: carolInRed }
      ])
      const seen = (principal: typeof alice) =>
        Effect.map(instance.list({ order: "asc" }, principal), ({ files }) => names(files))
      assert.deepStrictEqual(yield* seen(alice), ["alice", "alice-red"])
      assert.deepStrictEqual(yield* seen(bob), ["bob"])
      assert.deepStrictEqual(yield* seen(aliceInRed), ["alice", "alice-red", "carol-red"])
      assert.deepStrictEqual(yield* seen(robotOfRed), ["alice-red", "carol-red"])
      assert.deepStrictEqual(yield* seen(admin), ["alice", "bob", "alice-red", "carol-red"])
      assert.deepStrictEqual(yield* seen(nobody), [])
    })
  )

  it.effect("takes a cursor of somebody else for one that does not exist", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const [file] = yield* makeFiles(instance, numbered(1))
      const foreign = yield* Effect.flip(instance.list({ after: idOf(file) }, bob))
      const unknown = yield* Effect.flip(instance.list({ after: "file-unknown" }, bob))
      assert.strictEqual(foreign._tag, "InvalidRequest")
      assert.deepStrictEqual(foreign, unknown)
    })
  )

  it.effect("passes over files that have expired, and still fills the page", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings: World.unhurried })
      const instance = yield* world.start()
      // Every file but each fourth will have expired before the sweep comes by.
      const uploads = numbered(40).map((upload, index) => ({ ...upload, expiresAfter: index % 4 === 0 ? null : 3_600 }))
      yield* makeFiles(instance, uploads)
      instance.storage.interfere = ({ method }) => (method === "commit" ? { _tag: "Fail" } : undefined)
      yield* advance(3_600_000, 600_000)
      const first = yield* instance.list({ limit: 4, order: "asc" })
      assert.deepStrictEqual(names(first.files), ["000", "004", "008", "012"])
      assert.isTrue(first.hasMore)
      const rest = yield* instance.list({ limit: 6, order: "asc", after: first.files.at(-1)?.id ?? null })
      assert.deepStrictEqual(names(rest.files), ["016", "020", "024", "028", "032", "036"])
      assert.isFalse(rest.hasMore)
    })
  )

  it.effect("continues after a file that has expired", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings: World.unhurried })
      const instance = yield* world.start()
      const [, second] = yield* makeFiles(instance, [
        { filename: "a" },
        { filename: "b", expiresAfter: 3_600 },
        { filename: "c" }
      ])
      yield* advance(3_700_000, 600_000)
      assert.deepStrictEqual(names((yield* instance.list({ after: idOf(second), order: "asc" })).files), ["c"])
    })
  )

  it.effect("does not show files that are still being made", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      world.account("east").script("create", { _tag: "Delay", millis: 5_000 })
      yield* Effect.forkChild(instance.upload())
      yield* advance(1_000)
      assert.strictEqual(world.storage.rows()[0]?.state, "creating")
      assert.deepStrictEqual((yield* instance.list({}, admin)).files, [])
    })
  )

  it.effect("of one instance shows at once what another has done", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const one = yield* world.start()
      const two = yield* world.start()
      const file = yield* one.upload()
      assert.strictEqual((yield* two.retrieve(idOf(file))).id, file.id)
      yield* one.remove(idOf(file))
      assert.strictEqual((yield* Effect.flip(two.retrieve(idOf(file))))._tag, "NotFound")
      assert.deepStrictEqual((yield* two.list()).files, [])
    })
  )
})

describe("Files.content", () => {
  it.effect("is the client's own bytes, and no provider is asked", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ content: "exactly this" })
      assert.strictEqual(yield* instance.content(idOf(file)), "exactly this")
      assert.deepStrictEqual(world.account("east").calls("content"), [])
    })
  )

  it.effect("of an empty file is empty", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ content: "" })
      assert.strictEqual(yield* instance.content(idOf(file)), "")
      assert.strictEqual(file.bytes, 0)
    })
  )

  const ranges: ReadonlyArray<readonly [range: RangeRequest, part: string | null]> = [
    [{ _tag: "Between", first: 0, last: 0 }, "0"],
    [{ _tag: "Between", first: 3, last: 5 }, "345"],
    [{ _tag: "Between", first: 7, last: null }, "789"],
    [{ _tag: "Between", first: 8, last: 1_000 }, "89"],
    [{ _tag: "Last", count: 4 }, "6789"],
    [{ _tag: "Last", count: 1_000 }, "0123456789"],
    [{ _tag: "Between", first: 10, last: null }, null],
    [{ _tag: "Last", count: 0 }, null]
  ]
  it.effect("has the part that is asked for", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ content: "0123456789" })
      for (const [range, part] of ranges) {
        const operation = { _tag: "FileContent", id: idOf(file), range } as const
        const read = Effect.scoped(
          Effect.gen(function* () {
            const { content } = yield* instance.run(operation)
            const text = decode(yield* Effect.promise(() => Bytes.collect(content.bytes)))
            assert.strictEqual(text.length, content.range?.length)
            return text
          })
        )
        if (part !== null) assert.strictEqual(yield* read, part)
        else {
          const error = yield* Effect.flip(read)
          if (error._tag !== "RangeNotSatisfiable") return assert.fail(error._tag)
          assert.strictEqual(error.bytes, 10)
        }
      }
    })
  )

  it.effect("is nobody else's", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload()
      assert.strictEqual((yield* Effect.flip(instance.content(idOf(file), bob)))._tag, "NotFound")
    })
  )

  describe("that is not kept", () => {
    const notKept: World.Options = { settings: { keepContent: false } }

    it.effect("comes from any live copy", () =>
      Effect.gen(function* () {
        const world = yield* World.make(notKept)
        const instance = yield* world.start()
        const file = yield* instance.upload({ content: "from a copy" })
        assert.deepStrictEqual(world.storage.blobKeys(), [])
        assert.strictEqual(yield* instance.content(idOf(file)), "from a copy")
      })
    )

    it.effect("comes from another copy where one account fails or forbids it", () =>
      Effect.gen(function* () {
        const world = yield* World.make(notKept)
        const instance = yield* world.start()
        const file = yield* instance.upload({ content: "from a copy" })
        world.account("east").forbidsDownloads = true
        assert.strictEqual(yield* instance.content(idOf(file)), "from a copy")
        world.account("east").forbidsDownloads = false
        world.account("west").always("content", answer(500))
        assert.strictEqual(yield* instance.content(idOf(file)), "from a copy")
      })
    )

    it.effect("is remembered as lost in an account that does not have it any more", () =>
      Effect.gen(function* () {
        const world = yield* World.make(notKept)
        const instance = yield* world.start()
        const file = yield* instance.upload({ content: "from a copy" })
        world.account("east").files.clear()
        assert.strictEqual(yield* instance.content(idOf(file)), "from a copy")
        const { replicas } = yield* instance.retrieve(idOf(file))
        assert.deepStrictEqual(replicas.map(({ account, state }) => [account, state]).sort(), [
          ["east", "expired"],
          ["west", "ready"]
        ])
      })
    )

    it.effect("cannot be had where all forbid it, or none has it, and the answer says which", () =>
      Effect.gen(function* () {
        const world = yield* World.make(notKept)
        const instance = yield* world.start()
        const file = yield* instance.upload()
        world.account("east").forbidsDownloads = true
        world.account("west").forbidsDownloads = true
        const forbidden = yield* Effect.flip(instance.content(idOf(file)))
        assert.strictEqual(forbidden._tag, "ContentUnavailable")
        assert.include(forbidden.message, "gives it out")
        world.account("east").files.clear()
        world.account("west").files.clear()
        yield* Effect.flip(instance.content(idOf(file)))
        const lost = yield* Effect.flip(instance.content(idOf(file)))
        assert.strictEqual(lost._tag, "ContentUnavailable")
        assert.include(lost.message, "no provider copy of the file is left")
      })
    )

    it.effect("gives up a download that nobody reads to its end", () =>
      Effect.gen(function* () {
        const world = yield* World.make(notKept)
        const instance = yield* world.start()
        const file = yield* instance.upload({ models: ["east-only"] })
        yield* Effect.scoped(instance.run({ _tag: "FileContent", id: idOf(file), range: null }))
        assert.strictEqual(world.account("east").cancelled, 1)
      })
    )
  })

  it.effect("that our store has lost comes from a copy", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload({ content: "precious" })
      yield* instance.storage.blobs.remove(file.key)
      assert.strictEqual(yield* instance.content(idOf(file)), "precious")
      assert.isTrue(instance.logs.some(({ level }) => level === "Error"))
    })
  )

  it.effect("that our store cannot read now is a failure of ours, not of the copies", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const file = yield* instance.upload()
      instance.storage.interfere = ({ method }) => (method === "blob" ? { _tag: "Fail" } : undefined)
      assert.strictEqual((yield* Effect.flip(instance.content(idOf(file))))._tag, "StorageError")
      assert.deepStrictEqual(world.account("east").calls("content"), [])
    })
  )

  it.effect("comes back as it was, whatever it was", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      for (const bytes of fc.sample(fc.uint8Array({ maxLength: 500 }), { numRuns: 20, seed: 4 })) {
        const content = String.fromCharCode(...bytes)
        const file = yield* instance.upload({ content, models: ["east-only"] })
        assert.strictEqual(yield* instance.content(idOf(file)), content)
        const copy = world.account("east").files.get(file.replicas[0]?.remoteId ?? "")
        assert.strictEqual(decode(copy?.content ?? new Uint8Array()), content)
      }
    })
  )
})

describe("a file that expires", () => {
  it.effect("is gone for clients at that moment, and its copies soon after", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings: World.unhurried })
      const instance = yield* world.start()
      const file = yield* instance.upload({ expiresAfter: 3_600 })
      const lasting = yield* instance.upload({ content: "lasting" })
      yield* advance(3_599_999, 600_000)
      assert.strictEqual((yield* instance.retrieve(idOf(file))).id, file.id)
      yield* advance(1, 1)
      assert.strictEqual((yield* Effect.flip(instance.retrieve(idOf(file))))._tag, "NotFound")
      assert.strictEqual((yield* Effect.flip(instance.chat({ files: [idOf(file)] })))._tag, "NotFound")
      yield* until("its copies are gone", () => world.provider.files().length === 2, 61_000, 1_000)
      assert.strictEqual((yield* instance.retrieve(idOf(lasting))).id, lasting.id)
      yield* World.quiesce
      assert.deepStrictEqual(problems(world), [])
    })
  )
})

describe("replicas", () => {
  it.effect("are told with the state of each", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ settings: { onPartialFailure: "any" } })
      const instance = yield* world.start()
      world.account("west").always("create", answer(400, "no"))
      const file = yield* instance.upload()
      const { replicas } = yield* Effect.scoped(instance.run({ _tag: "ListReplicas", id: idOf(file) }))
      assert.deepStrictEqual(
        replicas.map(({ account, error, state }) => [account, state, error]),
        [
          ["east", "ready", null],
          ["west", "failed", "refused the request (400): no"]
        ]
      )
    })
  )
})
