import { assert, describe, it, onTestFinished } from "@effect/vitest"
import { BlobStore } from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import * as ScriptProcess from "@omnifile/testkit/suites/ScriptProcess"
import * as Effect from "effect/Effect"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import * as DiskBlobs from "../src/DiskBlobs.ts"
import { contentOf } from "./contentOf.ts"
import { temporaryDirectory } from "./temporary.ts"

const root = temporaryDirectory()

const start = (script: string, ...args: ReadonlyArray<string>): ScriptProcess.ScriptProcess => {
  const started = ScriptProcess.start(new URL(`./scripts/${script}.ts`, import.meta.url), ...args)
  onTestFinished(started.kill)
  return started
}

const withStore = <A, E>(directory: string, use: (store: BlobStore["Service"]) => Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(Effect.provide(Effect.flatMap(BlobStore, use), DiskBlobs.layer({ directory })))

const partsIn = (directory: string): ReadonlyArray<string> => readdirSync(join(directory, "tmp"))

describe("a process that is killed while it stores blobs", () => {
  it("has kept those that were acknowledged, and no part of another", { timeout: 60_000 }, async () => {
    const directory = join(root, "killed")
    const acknowledged: Array<string> = []
    // Once in the middle of a blob, once right after one, and so on.
    for (const [round, { until, times }] of [
      { until: "half", times: 1 },
      { until: "half", times: 4 },
      { until: "whole", times: 3 },
      { until: "half", times: 9 },
      { until: "whole", times: 1 }
    ].entries()) {
      const writer = start("write", directory, `round-${round}`)
      const begun = new Set<string>()
      const note = (line: string): string => {
        const [event = "", key = ""] = line.split(" ")
        begun.add(key)
        if (event === "whole") acknowledged.push(key)
        return event
      }
      for (let seen = 0; seen < times;) {
        const line = await writer.readLine()
        assert.isDefined(line)
        if (note(line ?? "") === until) seen++
      }
      await writer.kill()
      for (let line = await writer.readLine(); line !== undefined; line = await writer.readLine()) note(line)

      // The one that was begun last may have been left at any point, and its key can still be used.
      const unacknowledged = [...begun].filter((key) => !acknowledged.includes(key))
      await withStore(
        directory,
        Effect.fnUntraced(function* (store) {
          assert.deepStrictEqual(partsIn(directory), [])
          for (const key of unacknowledged) {
            const content = yield* Effect.option(store.get(key))
            if (content._tag === "Some") assert.isTrue(contentOf(key).equals(content.value), key)
            else yield* store.put(key, Bytes.fromArray(contentOf(key)))
            acknowledged.push(key)
          }
          for (const key of acknowledged) assert.isTrue(contentOf(key).equals(yield* store.get(key)), key)
        })
      )
    }
    assert.isAbove(acknowledged.length, 10)
  })

  it("leaves nothing that blocks the key of an unfinished blob, or outlives its removal", async () => {
    const directory = join(root, "abandoned")
    await withStore(
      directory,
      Effect.fnUntraced(function* (store) {
        const writer = start("pause", directory, "a")
        assert.strictEqual(yield* Effect.promise(writer.readLine), "half")
        yield* Effect.promise(writer.kill)
        assert.strictEqual(partsIn(directory).length, 1)
        assert.strictEqual((yield* Effect.flip(store.get("a"))).reason._tag, "Missing")
        yield* store.put("a", Bytes.fromArray(contentOf("b")))
        assert.isTrue(contentOf("b").equals(yield* store.get("a")))
        yield* store.remove("a")
        assert.deepStrictEqual(partsIn(directory), [])
      })
    )
  })
})

describe("a process that is still storing a blob", () => {
  it("is not disturbed by another one that opens the directory", async () => {
    const directory = join(root, "alive")
    const writer = start("pause", directory, "a")
    assert.strictEqual(await writer.readLine(), "half")
    await withStore(
      directory,
      Effect.fnUntraced(function* (store) {
        assert.strictEqual(partsIn(directory).length, 1)
        writer.writeLine("go on")
        assert.strictEqual(yield* Effect.promise(writer.readLine), "stored")
        assert.isTrue(contentOf("a").equals(yield* store.get("a")))
      })
    )
  })

  it("loses the key to another one that is quicker", async () => {
    const directory = join(root, "slow")
    const writer = start("pause", directory, "a")
    assert.strictEqual(await writer.readLine(), "half")
    await withStore(
      directory,
      Effect.fnUntraced(function* (store) {
        yield* store.put("a", Bytes.fromArray(contentOf("b")))
        writer.writeLine("go on")
        assert.strictEqual(yield* Effect.promise(writer.readLine), "Conflict")
        assert.isTrue(contentOf("b").equals(yield* store.get("a")))
        assert.deepStrictEqual(partsIn(directory), [])
      })
    )
  })
})
