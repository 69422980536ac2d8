import { assert, describe, it } from "@effect/vitest"
import * as Event from "../src/Event.ts"
import { update as updateJob } from "../src/Job.ts"
import { type ManagedFile, update, withReplica } from "../src/ManagedFile.ts"
import { job } from "./support/jobs.ts"
import { replica, row } from "./support/rows.ts"

const types = (before: ManagedFile | undefined, after: ManagedFile | null): ReadonlyArray<string> =>
  Event.ofFile(before, after).map(({ type }) => type)

/** What is told of a file that passes through these rows. */
const story = (...rows: ReadonlyArray<ManagedFile | null>): ReadonlyArray<string> =>
  rows.flatMap((after, index) => types(rows[index - 1] ?? undefined, after))

const pending = replica({ state: "pending", remoteId: null })
const failed = replica({ state: "failed", remoteId: null, error: "answered 500" })
const west = replica({ account: "west", remoteId: "file-west" })

describe("events of a file", () => {
  const creating = row("a", { id: null, state: "creating", replicas: [pending] })
  const ready = row("a", { replicas: [replica()] })

  it("are that it exists, that its copies do, and that it is gone", () => {
    const gone = update(ready, { state: "deleting" })
    assert.deepStrictEqual(
      story(
        row("a", { id: null, state: "receiving" }),
        creating,
        ready,
        gone,
        update(gone, { state: "deleted" }),
        null
      ),
      ["file.created", "replica.ready", "file.ready", "file.deleted"]
    )
    assert.deepStrictEqual(Event.ofFile(ready, gone), [
      {
        type: "file.deleted",
        owner: ready.owner,
        data: { id: "file-a", filename: "a.txt", bytes: 1, purpose: "user_data" }
      }
    ])
    assert.deepStrictEqual(types(ready, null), ["file.deleted"])
    assert.deepStrictEqual(types(undefined, ready), ["file.created", "replica.ready", "file.ready"])
  })

  it("say of an upload that came to nothing why", () => {
    const refused = withReplica(creating, failed)
    const [event, ...others] = Event.ofFile(refused, update(refused, { state: "deleting" }))
    assert.deepStrictEqual(others, [])
    assert.strictEqual(event?.type, "file.failed")
    assert.deepStrictEqual([event?.data["id"], event?.data["error"]], [null, "east answered 500"])
    assert.deepStrictEqual(types(creating, null), ["file.failed"])
    assert.deepStrictEqual(types(row("a", { id: null, state: "receiving" }), null), [])
  })

  it("say which copy is missing, and when it is there after all", () => {
    const partly = row("a", { replicas: [replica(), { ...failed, account: "west" }].map((copy) => replica(copy)) })
    assert.deepStrictEqual(types(creating, partly), ["file.created", "replica.ready", "replica.failed"])
    const again = replica({ account: "west", state: "pending", remoteId: null, error: "answered 500" })
    assert.deepStrictEqual(story(partly, withReplica(partly, again), withReplica(partly, west)).slice(3), [
      "replica.repaired",
      "file.ready"
    ])
    const [expired] = Event.ofFile(ready, withReplica(ready, replica({ state: "expired", error: "lost" })))
    assert.deepStrictEqual(
      [expired?.type, expired?.data],
      ["replica.expired", { id: "file-a", account: "east", variant: "original", error: "lost" }]
    )
  })

  it("say that a copy had expired when it is made again because it is needed", () => {
    const again = replica({ state: "pending", remoteId: null, error: "has expired at the provider" })
    assert.deepStrictEqual(
      story(ready, withReplica(ready, again), withReplica(ready, replica({ remoteId: "file-2" }))).slice(3),
      ["replica.expired", "replica.repaired", "file.ready"]
    )
  })

  it("name no provider's model in a variant", () => {
    const variant = replica({ variant: "batch:gpt-4o-secret" })
    assert.strictEqual(Event.ofFile(ready, withReplica(ready, variant))[0]?.data["variant"], "batch")
  })

  it("are none for whatever else changes", () => {
    for (const after of [ready, update(ready, { dueAt: 7 }), withReplica(ready, replica({ updatedAt: 9 }))]) {
      assert.deepStrictEqual(types(ready, after), [])
    }
    const tombstone = row("a", { state: "deleted" })
    assert.deepStrictEqual(story(tombstone, update(tombstone, { state: "deleting" }), null), [])
  })
})

describe("events of a job", () => {
  const of = (status: string, more: object = {}) => JSON.stringify({ status, input_file_id: "file-a", ...more })
  const creating = job("j")
  const active = updateJob(creating, { id: "batch_j", state: "active", object: of("validating") })

  it("are its creation and each status that it takes", () => {
    const running = updateJob(active, { object: of("in_progress") })
    const same = updateJob(running, { object: of("in_progress", { request_counts: { total: 3 } }), dueAt: 9 })
    const ended = updateJob(same, { state: "ended", object: of("completed", { output_file_id: "file-out" }) })
    const told = [undefined, creating, active, running, same, ended].flatMap((after, index, all) =>
      after === undefined ? [] : Event.ofJob(all[index - 1], after)
    )
    assert.deepStrictEqual(
      told.map(({ type }) => type),
      ["batch.created", "batch.in_progress", "batch.completed"]
    )
    assert.deepStrictEqual(told.at(-1)?.data, {
      id: "batch_j",
      account: "east",
      status: "completed",
      input_file_id: "file-a",
      output_file_id: "file-out"
    })
  })

  it("have the names of OpenAI's for fine-tuning, and are none for what clients see at once", () => {
    const tuning = updateJob(active, { kind: "fine_tuning_job", object: of("succeeded") })
    assert.deepStrictEqual(
      Event.ofJob(undefined, tuning).map(({ type }) => type),
      ["fine_tuning.job.created", "fine_tuning.job.succeeded"]
    )
    assert.deepStrictEqual(Event.ofJob(undefined, updateJob(active, { kind: "response" })), [])
    assert.deepStrictEqual(Event.ofJob(active, null), [])
    assert.deepStrictEqual(Event.ofJob(undefined, creating), [])
    assert.deepStrictEqual(Event.ofJob(active, updateJob(active, { object: of("odd") })), [])
  })
})
