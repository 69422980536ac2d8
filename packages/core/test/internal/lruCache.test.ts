import { assert, describe, it } from "@effect/vitest"

import { LruCache } from "../../src/internal/lruCache.ts"

describe("LruCache", () => {
  it("forgets the least recently used entry beyond its capacity", () => {
    const cache = new LruCache<number>(3)
    cache.set("a", 1)
    cache.set("b", 2)
    cache.set("c", 3)
    assert.strictEqual(cache.get("a"), 1)
    cache.set("d", 4)
    assert.strictEqual(cache.get("b"), undefined)
    assert.deepStrictEqual(
      ["a", "c", "d"].map((key) => cache.get(key)),
      [1, 3, 4]
    )
  })

  it("replaces an entry without forgetting another", () => {
    const cache = new LruCache<number>(2)
    cache.set("a", 1)
    cache.set("b", 2)
    cache.set("a", 3)
    assert.deepStrictEqual([cache.get("a"), cache.get("b")], [3, 2])
    cache.set("a", 4)
    cache.set("c", 5)
    assert.deepStrictEqual([cache.get("a"), cache.get("b"), cache.get("c")], [4, undefined, 5])
  })
})
