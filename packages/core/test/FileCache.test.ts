import { assert, describe, it } from "@effect/vitest"
import { FileCache } from "../src/FileCache.ts"
import type { ManagedFile } from "../src/ManagedFile.ts"

/** The cache looks at no field of a row. */
const entry = (version: number) => ({ value: { key: "row" } as ManagedFile, version })

describe("FileCache", () => {
  it("keeps the rows that were used last", () => {
    const cache = new FileCache(2)
    cache.offer("a", entry(1), cache.epoch)
    cache.offer("b", entry(1), cache.epoch)
    cache.get("a")
    cache.offer("c", entry(1), cache.epoch)
    assert.isUndefined(cache.get("b"))
    assert.isDefined(cache.get("a"))
    assert.isDefined(cache.get("c"))
  })

  it("takes nothing that was read before anything was dropped", () => {
    const cache = new FileCache()
    const epoch = cache.epoch
    cache.drop("a")
    cache.offer("a", entry(1), epoch)
    assert.isUndefined(cache.get("a"))
    cache.offer("a", entry(2), cache.epoch)
    assert.strictEqual(cache.get("a")?.version, 2)
  })

  it("forgets what others may have changed, and only that", () => {
    const cache = new FileCache()
    for (const key of ["a", "b"]) cache.offer(key, entry(1), cache.epoch)
    const epoch = cache.epoch
    cache.invalidate({
      _tag: "Keys",
      keys: [
        { collection: "files", key: "a" },
        { collection: "idempotency", key: "b" }
      ]
    })
    assert.isUndefined(cache.get("a"))
    assert.isDefined(cache.get("b"))
    cache.offer("a", entry(1), epoch)
    assert.isUndefined(cache.get("a"))
    cache.invalidate({ _tag: "Everything" })
    assert.isUndefined(cache.get("b"))
  })
})
