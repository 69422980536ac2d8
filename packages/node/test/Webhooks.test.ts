import { assert, describe, it } from "@effect/vitest"
import { defaults } from "@omnifile/core/Settings"
import * as Installation from "@omnifile/testkit/host/Installation"
import * as WatchedStorage from "@omnifile/testkit/host/WatchedStorage"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import * as Redacted from "effect/Redacted"
import type { IncomingMessage } from "node:http"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import OpenAI from "openai"
import * as Open from "../src/Open.ts"

const secret = `whsec_${Buffer.from("a secret that two parties share").toString("base64")}`

interface Received {
  readonly headers: IncomingMessage["headers"]
  readonly body: string
}

/** A receiver that shows what comes, one after the other. */
const listen = async () => {
  const received: Array<Received> = []
  const waiting: Array<(delivery: Received) => void> = []
  const host = await HostSuite.listen(async (request, response) => {
    const delivery = { headers: request.headers, body: await text(request) }
    response.writeHead(204).end()
    const next = waiting.shift()
    if (next === undefined) received.push(delivery)
    else next(delivery)
  })
  const next = (): Promise<Received> => {
    const first = received.shift()
    return first === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(first)
  }
  return { ...host, next }
}

describe("webhooks", () => {
  it("are read and verified by OpenAI's official client", async () => {
    const receiver = await listen()
    const emulator = await Installation.startEmulator()
    const omnifile = await Open.openProgram(
      Installation.make(emulator, WatchedStorage.make(), {
        maintenanceInterval: 50,
        events: {
          outbox: true,
          webhooks: [{ url: `${receiver.url}/events?of=files`, secret: Redacted.make(secret), events: ["file.*"] }]
        },
        jobs: defaults.jobs
      })
    )
    const file = await omnifile.files.create({ content: "told", filename: "told.txt" }, { user: "alice" })
    await omnifile.files.delete(file.id)
    const client = new OpenAI({ apiKey: "none", webhookSecret: secret })
    const types = new Map<string, unknown>()
    for (let index = 0; index < 3; index++) {
      const { body, headers } = await receiver.next()
      const event: unknown = await client.webhooks.unwrap(body, headers as Record<string, string>)
      const { data, id, object, type } = event as Record<string, unknown>
      assert.deepStrictEqual([object, id], ["event", headers["webhook-id"]])
      assert.deepInclude(data, { id: file.id, filename: "told.txt", bytes: 4 })
      types.set(String(type), id)
      await client.webhooks.unwrap(`${body} `, headers as Record<string, string>).then(
        () => assert.fail("a changed body was taken"),
        (error: unknown) => assert.instanceOf(error, OpenAI.InvalidWebhookSignatureError)
      )
    }
    assert.deepStrictEqual([...types.keys()].sort(), ["file.created", "file.deleted", "file.ready"])
    assert.strictEqual(new Set(types.values()).size, 3)
    await omnifile.close()
    await emulator.close()
    await receiver.stop()
  })

  it("hear after a restart of what was recorded and not delivered before", async () => {
    const directory = await mkdtemp(join(tmpdir(), "omnifile-webhooks-"))
    const receiver = await listen()
    const emulator = await Installation.startEmulator()
    /** A process that looks for undelivered events when it starts, and then not for a long time. */
    const start = () => {
      const { configuration } = Installation.make(emulator, WatchedStorage.make(), {
        maintenanceInterval: 3_600_000,
        events: { outbox: true, webhooks: [{ url: receiver.url, secret: Redacted.make(secret), events: [] }] }
      })
      const registry = { _tag: "Sqlite", filename: join(directory, "omnifile.db") } as const
      return Open.openProgram({
        configuration: { ...configuration, storage: { ...configuration.storage, registry } }
      })
    }
    const before = await start()
    const { id } = await before.files.create({ content: "told", filename: "told.txt", models: ["model-alpha"] })
    await before.close()
    const after = await start()
    const types: Array<string> = []
    for (let index = 0; index < 3; index++) {
      const { data, type } = JSON.parse((await receiver.next()).body)
      assert.strictEqual(data.id, id)
      types.push(type)
    }
    assert.deepStrictEqual(types.sort(), ["file.created", "file.ready", "replica.ready"])
    await after.close()
    await emulator.close()
    await receiver.stop()
    await rm(directory, { recursive: true })
  })
})
