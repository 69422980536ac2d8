/** Gateways that stand on a real Redis. */
import { afterAll, assert, describe, it, onTestFinished } from "@effect/vitest"
import { failure, upload } from "@omnifile/testkit/host/checks"
import * as RunningHost from "@omnifile/testkit/host/RunningHost"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import * as RedisServer from "@omnifile/testkit/servers/RedisServer"
import * as Redacted from "effect/Redacted"
import { setImmediate as nextTurn } from "node:timers/promises"
import type { Configuration } from "../src/config/Configuration.ts"
import * as Open from "../src/Open.ts"

const server = await RedisServer.startOrReport("gateways on Redis")
afterAll(() => server?.stop())

const start = async (change: (configuration: Configuration) => Configuration, ownStorage: boolean) => {
  const host = await RunningHost.start({
    build: ({ configuration, storage, ...rest }) =>
      Open.open({ ...rest, ...(ownStorage ? { storage } : {}), configuration: change(configuration) }),
    serve: (gateway) => HostSuite.listen((request, response) => void gateway.node(request, response))
  })
  onTestFinished(() => host.stop())
  return host
}

const ready = async (host: RunningHost.RunningHost) => {
  const answer = await fetch(`${host.url}/health/ready`)
  return { status: answer.status, body: await answer.json() }
}

/** Limits connect in the background. */
const untilReady = async (host: RunningHost.RunningHost): Promise<void> => {
  while ((await ready(host)).body.status !== "ok") await nextTurn()
}

describe.skipIf(server === null)("a registry in Redis", () => {
  it("serves files, and readiness tells when it is away", async () => {
    const own = await RedisServer.start()
    onTestFinished(() => own.stop())
    const registry = { _tag: "Redis", url: Redacted.make(own.url) } as const
    const host = await start(
      (configuration) => ({ ...configuration, storage: { registry, cache: "memory", content: { _tag: "Memory" } } }),
      false
    )
    const file = await upload(host, "kept in Redis", { target_model_names: "model-alpha" })
    assert.strictEqual(await (await host.openai.files.content(file.id)).text(), "kept in Redis")
    const page = await host.openai.files.list()
    assert.deepStrictEqual(
      page.data.map(({ id }) => id),
      [file.id]
    )
    assert.deepStrictEqual(await ready(host), { status: 200, body: { status: "ok", registry: "ok", content: "ok" } })
    await own.kill()
    assert.deepStrictEqual(await ready(host), {
      status: 503,
      body: { status: "unavailable", registry: "unavailable", content: "ok" }
    })
    await own.restart()
    assert.strictEqual((await host.openai.files.retrieve(file.id)).bytes, 13)
    assert.isTrue((await host.openai.files.delete(file.id)).deleted)
    assert.propertyVal(await failure(host.openai.files.retrieve(file.id)), "status", 404)
  })
})

describe.skipIf(server === null)("limits in Redis", () => {
  it("are those of all instances together; without Redis each goes on by itself, and readiness says so", async () => {
    const own = await RedisServer.start()
    onTestFinished(() => own.stop())
    const store = { _tag: "Redis", url: Redacted.make(own.url) } as const
    const limited = (configuration: Configuration): Configuration => ({
      ...configuration,
      limits: { everyKey: { requests: 3 }, teams: new Map(), store }
    })
    const hosts = [await start(limited, true), await start(limited, true)] as const
    for (const host of hosts) await untilReady(host)
    await hosts[0].openai.models.list()
    await hosts[1].openai.models.list()
    await hosts[0].openai.models.list()
    assert.propertyVal(await failure(hosts[1].openai.models.list()), "status", 429)
    await own.kill()
    await hosts[1].openai.models.list()
    assert.deepStrictEqual(await ready(hosts[1]), {
      status: 200,
      body: { status: "degraded", registry: "ok", content: "ok", limits: "unavailable" }
    })
  })
})
