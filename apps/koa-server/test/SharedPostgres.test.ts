/** Three server processes on one Postgres and one Redis are one installation. */
import * as RedisServer from "@omnifile/testkit/servers/RedisServer"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { createServer } from "node:http"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { ask, upload } from "./support/calls.ts"
import { eventually } from "./support/eventually.ts"
import * as Installation from "./support/Installation.ts"
import type { ServerProcess } from "./support/ServerProcess.ts"

const postgres = inject("postgres")
const redis = await RedisServer.startOrReport("three servers on one Postgres and one Redis")

/** How many calls come at the same moment, spread over the servers. */
const crowd = 12

const filesOfCarol = 4

const line = JSON.stringify({
  custom_id: "only",
  method: "POST",
  url: "/v1/chat/completions",
  body: { model: "alpha", messages: [{ role: "user", content: "hello" }] }
})

interface Delivery {
  readonly id: string
  readonly type: string
  readonly data: { readonly id?: string }
}

/** Receives events, and shows each as often as it came. */
const listen = async () => {
  const deliveries: Array<Delivery> = []
  const server = createServer((request, response) => {
    let body = ""
    request.setEncoding("utf8").on("data", (text: string) => (body += text))
    request.on("end", () => {
      deliveries.push(JSON.parse(body) as Delivery)
      response.writeHead(204).end()
    })
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  const port = address === null || typeof address === "string" ? 0 : address.port
  return { deliveries, url: `http://127.0.0.1:${port}/events`, close: () => server.close() }
}

describe.skipIf("missing" in postgres || redis === null)("three servers", { timeout: 60_000 }, () => {
  let installation: Installation.Installation
  let webhook: Awaited<ReturnType<typeof listen>>
  let servers: ReadonlyArray<ServerProcess> = []

  beforeAll(async () => {
    if ("missing" in postgres || redis === null) return
    webhook = await listen()
    const schema = `processes_${randomUUID().replaceAll("-", "")}`
    const content = `file:./data/blobs`
    installation = await Installation.open({
      keys: {
        alice: { key: "sk-client-alice-92eb5ffee6ae2fec", user: "alice" },
        carol: {
          key: "sk-client-carol-4a8a08f09d37b737",
          user: "carol",
          limits: { files_per_day: filesOfCarol }
        }
      },
      settings: {
        storage: { registry: `${postgres.url}?schema=${schema}`, cache: "memory", content },
        secret: randomUUID() + randomUUID(),
        limits: { store: redis.url },
        jobs: { poll_interval: "1s" },
        webhooks: [{ url: webhook.url, secret: `whsec_${Buffer.from("shared by two parties").toString("base64")}` }]
      }
    })
    // They find no tables, all at once.
    servers = await Promise.all([installation.start(), installation.start(), installation.start()])
  }, 60_000)
  afterAll(async () => {
    await installation?.close()
    webhook?.close()
    await redis?.stop()
  })

  const client = (index: number, who?: string) => {
    const server = servers[index % servers.length]
    if (server === undefined) throw new Error("the servers have not started")
    return installation.client(server, who)
  }
  const all = <A>(use: (index: number) => Promise<A>): Promise<Array<A>> =>
    Promise.all(Array.from({ length: crowd }, (_, index) => use(index)))
  const statusOf = (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => 200,
      (error: unknown) => (error as { readonly status: unknown }).status
    )
  const copiesOf = (account: string, name: string): number =>
    installation.emulator.files(account).filter(({ filename }) => filename === name).length

  it("make one copy of a file, however many calls need it at once", async () => {
    const file = await upload(client(0), "lazy", { name: "lazy.txt" })
    installation.emulator.setLatency("gamma", 200)
    const answers = await all((index) => ask(client(index), "gamma", file.id))
    installation.emulator.setLatency("gamma", 0)
    for (const answer of answers) assert.include(answer, "lazy.txt")
    assert.strictEqual(copiesOf("gamma", "lazy.txt"), 1)
  })

  it("make one file of equal requests under one Idempotency-Key", async () => {
    installation.emulator.setLatency("alpha", 150)
    const options = { name: "once.txt", models: "alpha", idempotencyKey: "at three servers" }
    const outcomes = await all((index) =>
      upload(client(index), "once", options).then(
        ({ id }) => id,
        ({ status }: { readonly status: number }) => status
      )
    )
    installation.emulator.setLatency("alpha", 0)
    assert.strictEqual(new Set(outcomes.filter((outcome) => outcome !== 409)).size, 1, outcomes.join(" "))
    assert.strictEqual(copiesOf("alpha", "once.txt"), 1)
  })

  it("know within a second that a file is gone, though each had it at hand", async () => {
    for (let round = 0; round < 3; round++) {
      const file = await upload(client(round), `gone ${round}`, { name: "gone.txt", models: "alpha" })
      await all((index) => client(index).files.retrieve(file.id))
      await client(round).files.delete(file.id)
      const deletedAt = performance.now()
      for (const index of [round + 1, round + 2]) {
        let askedAt = performance.now()
        while ((await statusOf(client(index).files.retrieve(file.id))) === 200) {
          assert.isBelow(askedAt - deletedAt, 1_000)
          askedAt = performance.now()
        }
        assert.strictEqual(await statusOf(ask(client(index), "alpha", file.id)), 404)
      }
    }
  })

  it("count the limits of a key together", async () => {
    const outcomes = await all((index) =>
      statusOf(upload(client(index, "carol"), `limited ${index}`, { name: "limited.txt" }))
    )
    assert.lengthOf(
      outcomes.filter((status) => status === 200),
      filesOfCarol
    )
    assert.lengthOf(
      outcomes.filter((status) => status === 429),
      crowd - filesOfCarol
    )
  })

  it("ask about a batch one at a time, and tell the end of it once", async () => {
    const { emulator } = installation
    emulator.setBatches("alpha", { pollsPerStep: 1 })
    const input = await upload(client(0), line, { name: "in.jsonl", models: "alpha", purpose: "batch" })
    const request = { input_file_id: input.id, endpoint: "/v1/chat/completions", completion_window: "24h" } as const
    await client(1).batches.create(request)
    const completed = () => webhook.deliveries.filter(({ type }) => type === "batch.completed")
    await eventually(() => completed().length > 0, { what: "the end of the batch is told" })
    // Whoever had it in hand a second time would tell it again.
    const asked = emulator.journal.filter(({ route }) => route === "batches.retrieve").map(({ at }) => at)
    assert.isAtLeast(asked.length, 2)
    for (const [index, at] of asked.slice(1).entries()) assert.isAtLeast(at - (asked[index] ?? 0), 900, asked.join())
    assert.lengthOf(completed(), 1)
    assert.lengthOf((await client(2).files.list({ purpose: "batch_output" })).data, 1)
  })

  it("deliver every event once", async () => {
    const last = await upload(client(2), "last", { name: "last.txt", models: "beta" })
    await client(0).files.delete(last.id)
    const { deliveries } = webhook
    const isTold = () => deliveries.some(({ data, type }) => type === "file.deleted" && data.id === last.id)
    await eventually(isTold, { what: "the last deletion is told" })
    const told = deliveries.map(({ id }) => id)
    assert.isAbove(told.length, 10)
    assert.deepStrictEqual(told.toSorted(), [...new Set(told)].toSorted())
  })
})
