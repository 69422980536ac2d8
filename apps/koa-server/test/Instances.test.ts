/** Two servers on one data directory are one installation, and an idempotency key holds on both and over restarts. */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { ask, contentOf, idsOf, refusal, upload } from "./support/calls.ts"
import { eventually } from "./support/eventually.ts"
import * as Installation from "./support/Installation.ts"
import type { ServerProcess } from "./support/ServerProcess.ts"

let installation: Installation.Installation
let one: ServerProcess
let other: ServerProcess

beforeAll(async () => {
  installation = await Installation.open({ account: () => ({ exclusive: true }) })
  // At the same time: one of them makes the secret and the tables, and the other uses them.
  ;[one, other] = await Promise.all([installation.start(), installation.start({ app: "standalone" })])
}, 60_000)
afterAll(() => installation.close())

const clients = () => [installation.client(one), installation.client(other)] as const

const copiesOf = (name: string): number =>
  installation.accounts
    .flatMap((account) => installation.emulator.files(account))
    .filter(({ filename }) => filename === name).length

describe("two servers", { timeout: 60_000 }, () => {
  it("know each other's files at once", async () => {
    const [here, there] = clients()
    const file = await upload(here, "shared", { name: "shared.txt", models: "alpha" })
    assert.deepStrictEqual(await there.files.retrieve(file.id), file)
    assert.strictEqual((await contentOf(there, file.id)).toString(), "shared")
    assert.include(await ask(there, "alpha", file.id), "shared.txt")
    assert.include(await idsOf(there.files.list()), file.id)
  })

  it("forget at once what either has deleted", async () => {
    const [here, there] = clients()
    for (let round = 0; round < 20; round++) {
      const file = await upload(here, `short-lived ${round}`, { name: `short-${round}.txt`, models: "alpha" })
      // Both have it in their caches now.
      await Promise.all([here, there].map((client) => client.files.retrieve(file.id)))
      const [deleter, reader] = round % 2 === 0 ? [here, there] : [there, here]
      await deleter.files.delete(file.id)
      assert.strictEqual((await refusal(reader.files.retrieve(file.id))).status, 404)
      assert.strictEqual((await refusal(ask(reader, "alpha", file.id))).status, 404)
      assert.strictEqual((await refusal(reader.files.delete(file.id))).status, 404)
    }
  })

  it("make a missing copy once between them", async () => {
    const [here, there] = clients()
    const file = await upload(here, "lazy", { name: "lazy-on-two.txt" })
    installation.emulator.setLatency("gamma", 200)
    const calls = Array.from({ length: 12 }, (_, index) => ask(index % 2 === 0 ? here : there, "gamma", file.id))
    for (const answer of await Promise.all(calls)) assert.include(answer, "lazy-on-two.txt")
    installation.emulator.setLatency("gamma", 0)
    assert.strictEqual(copiesOf("lazy-on-two.txt"), 1)
  })

  it("delete a file once, whoever asks", async () => {
    const [here, there] = clients()
    const file = await upload(here, "disputed", { name: "disputed.txt", models: "alpha,beta" })
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        (index % 2 === 0 ? here : there).files.delete(file.id).then(
          () => 200,
          ({ status }: { readonly status: number }) => status
        )
      )
    )
    assert.deepStrictEqual(outcomes.toSorted(), [200, ...Array.from({ length: 7 }, () => 404)])
    await eventually(() => copiesOf("disputed.txt") === 0, { what: "the copies are gone" })
  })

  it("make one file of equal requests at the same time", async () => {
    const [here, there] = clients()
    installation.emulator.setLatency("alpha", 150)
    const options = { name: "once.txt", models: "alpha", idempotencyKey: "at-the-same-time" }
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        upload(index % 2 === 0 ? here : there, "once", options).then(
          ({ id }) => id,
          ({ status }: { readonly status: number }) => status
        )
      )
    )
    installation.emulator.setLatency("alpha", 0)
    const made = new Set(outcomes.filter((outcome) => outcome !== 409))
    assert.strictEqual(made.size, 1, outcomes.join(" "))
    assert.strictEqual(copiesOf("once.txt"), 1)
    const listed = (await here.files.list()).data.filter(({ filename }) => filename === "once.txt")
    assert.deepStrictEqual(
      listed.map(({ id }) => id),
      [...made]
    )
  })
})

describe("an idempotency key", { timeout: 60_000 }, () => {
  it("gives the same file on both servers and after a restart", async ({ onTestFinished }) => {
    const restarted = await Installation.open()
    onTestFinished(restarted.close)
    const options = { name: "again.txt", models: "alpha", idempotencyKey: "over-a-restart" }
    const first = await restarted.start()
    const file = await upload(restarted.client(first), "again", options)
    await first.kill()
    const second = await restarted.start()
    const client = restarted.client(second)
    assert.deepStrictEqual(await upload(client, "again", options), file)
    assert.lengthOf(restarted.emulator.files("alpha"), 1)
    assert.lengthOf(await idsOf(client.files.list()), 1)
    const hasOneBlob = (): boolean => Installation.filesIn(`${restarted.data}/blobs`).length === 1
    await eventually(hasOneBlob, { what: "the content of the second request is gone" })
  })

  it("refuses another request under it", async () => {
    const [here, there] = clients()
    const options = { name: "key.txt", models: "alpha", idempotencyKey: "other-request" }
    await upload(here, "key", options)
    for (const [content, changed] of [
      ["KEY", options],
      ["key", { ...options, name: "other.txt" }],
      ["key", { ...options, models: "beta" }],
      ["key", { ...options, purpose: "batch" as const }]
    ] as const) {
      assert.strictEqual((await refusal(upload(there, content, changed))).status, 409)
    }
  })

  it("is its caller's own", async () => {
    const options = { name: "own.txt", idempotencyKey: "own" }
    const ids = await Promise.all(
      Object.keys(installation.keys).map(
        async (who) => (await upload(installation.client(one, who), "own", options)).id
      )
    )
    assert.strictEqual(new Set(ids).size, ids.length)
  })

  it("is free again when its request fails", async () => {
    const [here, there] = clients()
    const options = { name: "free.txt", models: "alpha,beta", idempotencyKey: "free-again" }
    const fault = installation.emulator.fault({ account: "beta", route: "files.create", kind: { status: 400 } })
    assert.strictEqual((await refusal(upload(here, "free", options))).status, 502)
    fault.clear()
    const file = await upload(there, "free", options)
    assert.strictEqual((await upload(here, "free", options)).id, file.id)
    assert.strictEqual(copiesOf("free.txt"), 2)
  })

  it("never gives the ID of a deleted file", async () => {
    const [here, there] = clients()
    const options = { name: "dead.txt", idempotencyKey: "of-a-deleted-file" }
    const file = await upload(here, "dead", options)
    await there.files.delete(file.id)
    const outcome = await upload(here, "dead", options).then(
      ({ id }) => id,
      ({ status }: { readonly status: number }) => status
    )
    assert.notStrictEqual(outcome, file.id)
    if (typeof outcome === "number") assert.include([404, 409, 410], outcome)
    else assert.strictEqual((await there.files.retrieve(outcome)).filename, "dead.txt")
  })
})
