import { assert, describe, it } from "@effect/vitest"
import * as CopyRecord from "../src/CopyRecord.ts"
import { LostUpload, type ManagedFile } from "../src/ManagedFile.ts"
import { replica, row } from "./support/rows.ts"

const now = 100
const ours = "instance-1"
const theirs = "instance-2"

const intent = (instance: string) => replica({ state: "pending", remoteId: null, instance })
const copy = replica({ remoteId: "file-new", createdAt: 50 })
const unanswered = new LostUpload({ account: "east", remoteId: null, startedAt: 10, endedAt: 20 })

const copies = (file: ManagedFile | undefined) =>
  file?.replicas.map(({ remoteId, state }) => `${state} ${remoteId}`) ?? []
const lost = (file: ManagedFile | undefined) => file?.lostUploads.map(({ remoteId }) => remoteId) ?? []

describe("a copy that has been made", () => {
  for (const state of ["creating", "ready"] as const) {
    it(`takes the place of our intent in a row that is ${state}`, () => {
      const after = CopyRecord.made(row("a", { state, replicas: [intent(ours)] }), copy, ours, [], now)
      assert.deepStrictEqual(copies(after), ["ready file-new"])
      assert.strictEqual(after.state, state)
      assert.isNull(after.dueAt)
    })
  }

  for (const state of ["deleting", "deleted"] as const) {
    it(`is one to delete in a row that is ${state}`, () => {
      const after = CopyRecord.made(row("a", { state, dueAt: 9_999 }), copy, ours, [], now)
      assert.deepStrictEqual(copies(after), ["deleting file-new"])
      assert.strictEqual(after.state, "deleting")
      assert.strictEqual(after.dueAt, now)
    })
  }

  for (const [what, held] of [
    ["a copy that failed", replica({ state: "failed", remoteId: null })],
    ["a copy that was lost", replica({ state: "expired", remoteId: "file-old" })],
    ["a copy that has expired", replica({ remoteId: "file-old", expiresAt: now })],
    ["itself, while it was processed", replica({ state: "processing", remoteId: "file-new" })]
  ] as const) {
    it(`takes the place of ${what}`, () => {
      const after = CopyRecord.made(row("a", { replicas: [held] }), copy, ours, [], now)
      assert.deepStrictEqual(copies(after), ["ready file-new"])
      assert.deepStrictEqual(lost(after), [])
    })
  }

  for (const [what, held] of [
    ["another live copy", replica({ remoteId: "file-other" })],
    ["another copy that is processed", replica({ state: "processing", remoteId: "file-other" })],
    ["another instance's intent", intent(theirs)]
  ] as const) {
    it(`is one too many beside ${what}, and is to be deleted`, () => {
      const after = CopyRecord.made(row("a", { replicas: [held] }), copy, ours, [], now)
      assert.deepStrictEqual(after.replicas, [held])
      assert.deepStrictEqual(lost(after), ["file-new"])
      assert.strictEqual(after.dueAt, now)
    })
  }

  it("comes with what was lost on the way to it", () => {
    const after = CopyRecord.made(row("a", { replicas: [intent(ours)], dueAt: 150 }), copy, ours, [unanswered], now)
    assert.deepStrictEqual(after.lostUploads, [unanswered])
    assert.strictEqual(after.dueAt, now)
  })

  it("leaves the copies of other accounts alone", () => {
    const other = replica({ account: "west", remoteId: "file-west" })
    const after = CopyRecord.made(row("a", { replicas: [other, intent(ours)] }), copy, ours, [], now)
    assert.sameMembers(copies(after), ["ready file-west", "ready file-new"])
  })
})

describe("an upload that came to nothing", () => {
  const known = new LostUpload({ account: "east", remoteId: "file-new", startedAt: 10, endedAt: 20 })

  it("ends our intent with its reason", () => {
    const after = CopyRecord.failed(
      row("a", { replicas: [intent(ours)] }),
      "east",
      "original",
      ours,
      "is down",
      [],
      now
    )
    assert.deepStrictEqual(copies(after), ["failed null"])
    assert.strictEqual(after?.replicas[0]?.error, "is down")
    assert.isNull(after?.replicas[0]?.instance)
  })

  it("leaves what may be left, in the same change", () => {
    const file = row("a", { replicas: [intent(ours)] })
    const after = CopyRecord.failed(file, "east", "original", ours, "is down", [unanswered, known], now)
    assert.deepStrictEqual(copies(after), ["failed null"])
    assert.deepStrictEqual(lost(after), [null, "file-new"])
    assert.strictEqual(after?.dueAt, now)
  })

  it("ends a copy that could not be processed, which is to be deleted", () => {
    const file = row("a", { replicas: [replica({ state: "processing", remoteId: "file-new" })] })
    const after = CopyRecord.failed(file, "east", "original", ours, "no", [known], now)
    assert.deepStrictEqual(copies(after), ["failed null"])
    assert.deepStrictEqual(lost(after), ["file-new"])
  })

  it("has lost nothing that the row turns out to have", () => {
    const file = row("a", { replicas: [replica({ remoteId: "file-new" })] })
    assert.isUndefined(CopyRecord.failed(file, "east", "original", ours, "no", [known], now))
  })

  it("raises a tombstone for what is left to delete", () => {
    const after = CopyRecord.failed(row("a", { state: "deleted" }), "east", "original", ours, "no", [known], now)
    assert.strictEqual(after?.state, "deleting")
    assert.deepStrictEqual(lost(after), ["file-new"])
  })

  for (const [what, held] of [
    ["a live copy", replica({ remoteId: "file-other" })],
    ["another instance's intent", intent(theirs)],
    ["a copy that is being deleted", replica({ state: "deleting", remoteId: "file-other" })],
    ["a copy that is processed", replica({ state: "processing", remoteId: "file-other" })]
  ] as const) {
    it(`changes nothing about ${what}`, () => {
      assert.isUndefined(CopyRecord.failed(row("a", { replicas: [held] }), "east", "original", ours, "no", [], now))
      const after = CopyRecord.failed(row("a", { replicas: [held] }), "east", "original", ours, "no", [known], now)
      assert.deepStrictEqual(after?.replicas, [held])
      assert.deepStrictEqual(lost(after), ["file-new"])
    })
  }
})
