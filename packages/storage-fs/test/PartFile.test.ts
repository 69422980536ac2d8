import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as PartFile from "../src/PartFile.ts"

const ownName = PartFile.name("a.b-c")
const own = PartFile.parse(ownName) ?? assert.fail("a part file's name is not understood")
const hour = 60 * 60 * 1000

describe("the name of a part file", () => {
  it("tells the key and the writer", () => {
    assert.strictEqual(own.key, "a.b-c")
    assert.strictEqual(own.pid, process.pid)
    assert.match(own.host, /^[0-9a-f]{8}$/)
  })

  it("is another one for each write, and fits a file system", () => {
    assert.notStrictEqual(PartFile.name("a"), PartFile.name("a"))
    assert.isBelow(PartFile.name("k".repeat(128)).length, 256)
  })

  it("is told from the names of other files", () => {
    for (const name of ["a", "a.part", ".gitkeep", `${ownName}.bak`, ownName.replace(".part", "")]) {
      assert.isUndefined(PartFile.parse(name), name)
    }
  })

  it("cannot be made to look like that of another key", () => {
    assert.strictEqual(PartFile.parse(PartFile.name(ownName))?.key, ownName)
  })
})

describe("a part file is abandoned", () => {
  const deadPid = spawnSync(process.execPath, ["--version"]).pid

  it("when its process on this host has ended, and not before", () => {
    assert.isTrue(PartFile.isAbandoned({ ...own, pid: deadPid }, Date.now()))
    assert.isFalse(PartFile.isAbandoned({ ...own, pid: process.ppid }, Date.now()))
    assert.isFalse(PartFile.isAbandoned(own, Date.now()))
  })

  it("when an earlier process with our number wrote it", () => {
    assert.isTrue(PartFile.isAbandoned(own, Date.now() - process.uptime() * 1000 - 1))
  })

  it("when nobody, on whatever host, has written to it for more than a day", () => {
    const elsewhere = { ...own, host: "00000000", pid: deadPid }
    assert.isFalse(PartFile.isAbandoned(elsewhere, Date.now()))
    assert.isFalse(PartFile.isAbandoned(elsewhere, Date.now() - 23 * hour))
    assert.isTrue(PartFile.isAbandoned(elsewhere, Date.now() - 25 * hour))
  })
})
