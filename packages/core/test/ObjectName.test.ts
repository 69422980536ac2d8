import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as ObjectName from "../src/ObjectName.ts"

const filename = fc.string({ unit: "grapheme", minLength: 1, maxLength: 50 })

describe("the name of an object", () => {
  it("tells the name of its file, whatever it is", () => {
    fc.assert(
      fc.property(filename, (given) => {
        const name = ObjectName.make("copies/", "01a2b3", given)
        assert.match(name, /^copies\/01a2b3\/[A-Za-z0-9._!-]+$/)
        assert.strictEqual(ObjectName.filenameOf("copies/", name), given)
      })
    )
  })

  it("leads nowhere else in an address, and means the same there", () => {
    fc.assert(
      fc.property(filename, (given) => {
        const name = ObjectName.make("", "01a2b3", given)
        const { pathname } = new URL(`https://b.invalid/${ObjectName.inPath(name)}`)
        assert.strictEqual(decodeURIComponent(pathname.slice(1)), name)
        assert.strictEqual(new URL(`https://b.invalid/?n=${ObjectName.inQuery(name)}`).searchParams.get("n"), name)
      })
    )
    for (const dots of [".", "..", "..."]) {
      assert.notMatch(ObjectName.make("", "01a2b3", dots), /\/\.+$/)
      assert.strictEqual(ObjectName.filenameOf("", ObjectName.make("", "01a2b3", dots)), dots)
    }
  })

  it("is never too long, and keeps the beginning of a long one", () => {
    for (const letter of ["a", "ä", "語", "🙂"]) {
      const name = ObjectName.make("p".repeat(200), "0".repeat(32), letter.repeat(2_000))
      assert.isAtMost(name.length, 1_024)
      const kept = ObjectName.filenameOf("p".repeat(200), name) ?? ""
      assert.isTrue(letter.repeat(2_000).startsWith(kept))
      assert.isAtLeast([...kept].length, 60)
    }
  })

  it("is nobody else's", () => {
    for (const name of [
      "copies/n1",
      "copies/n1/",
      "copies/n1/a/b.txt",
      "copies/n1/a b",
      "other/n1/a.txt",
      "copies/é/a"
    ]) {
      assert.isNull(ObjectName.filenameOf("copies/", name))
    }
    assert.strictEqual(ObjectName.stemOf("copies/n1/a.txt"), "copies/n1/")
  })
})
