import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { createHmac } from "node:crypto"
import { ownerOf } from "../src/Access.ts"
import * as Bytes from "../src/Bytes.ts"
import type { Draft } from "../src/Event.ts"
import { HttpTransport, TransportError, type TransportRequest } from "../src/HttpTransport.ts"
import * as Instance from "../src/Instance.ts"
import * as Registry from "../src/Registry.ts"
import { RegistryBackend } from "../src/RegistryBackend.ts"
import { defaults, Settings, type Webhook } from "../src/Settings.ts"
import * as Sha256 from "../src/Sha256.ts"
import * as Webhooks from "../src/Webhooks.ts"
import { alice } from "./support/principals.ts"
import * as SharedStorage from "./support/SharedStorage.ts"

const hook = (host: string, events: ReadonlyArray<string> = []): Webhook => ({
  url: `https://${host}.test`,
  secret: Redacted.make(`secret of ${host}`),
  events
})

const deleted: Draft = { type: "file.deleted", owner: ownerOf(alice), data: { id: "file-a" } }
const completed: Draft = { type: "batch.completed", owner: ownerOf(alice), data: { id: "batch_a" } }

interface Delivery {
  readonly host: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly at: number
}

/** Receivers, and what they answer: a status, or nothing at all. */
const makeReceivers = () => {
  const deliveries: Array<Delivery> = []
  const answers = new Map<string, number | "unreachable">()
  const receivers = {
    deliveries,
    answers,
    onDelivery: (): void => {},
    transport: HttpTransport.of({
      send: ({ body, headers, url }: TransportRequest) =>
        Effect.gen(function* () {
          const host = new URL(url).hostname.replace(".test", "")
          const at = yield* TestClock.testClockWith((clock) => Effect.succeed(clock.currentTimeMillisUnsafe()))
          deliveries.push({ host, headers, body: new TextDecoder().decode(body as Uint8Array), at })
          receivers.onDelivery()
          const status = answers.get(host) ?? 204
          if (status === "unreachable") {
            return yield* new TransportError({ sent: "nothing", timedOut: false, cause: new Error("refused") })
          }
          return { status, headers: {}, complete: null, body: Bytes.fromArray(), cancel: () => {} }
        })
    })
  }
  return receivers
}

type Receivers = ReturnType<typeof makeReceivers>

const quiet = 3_600_000_000

/** One process over a view of the storage. Its own loop is slow, so that tests say when there is a round. */
const open = (view: SharedStorage.StorageView, { transport }: Receivers, webhooks: ReadonlyArray<Webhook>) =>
  Effect.gen(function* () {
    const settings = {
      ...defaults,
      maintenanceInterval: quiet,
      instanceTtl: quiet,
      events: { outbox: webhooks.length > 0, webhooks }
    }
    const layer = Layer.fresh(Webhooks.layer).pipe(
      Layer.provideMerge(Layer.fresh(Instance.layer)),
      Layer.provideMerge(Layer.fresh(Registry.layer)),
      Layer.provideMerge(Layer.succeed(HttpTransport, transport)),
      Layer.provideMerge(Sha256.layerPortable),
      Layer.provideMerge(Layer.succeed(RegistryBackend, view.backend)),
      Layer.provideMerge(Layer.succeed(Settings, settings))
    )
    const scope = Scope.makeUnsafe()
    const context = yield* Layer.buildWithScope(layer, scope)
    // What is dead says nothing at its end.
    yield* Effect.addFinalizer(() => (view.isDead() ? Effect.void : Scope.close(scope, Exit.void)))
    // Its loop has had its first round before there is anything to deliver.
    yield* TestClock.adjust(1)
    return yield* Effect.all({ registry: Registry.Registry, webhooks: Webhooks.Webhooks }).pipe(
      Effect.provideContext(context)
    )
  })

describe("webhooks", () => {
  it.effect("are sent what has happened, signed, and once when they take it", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2030, 0, 1))
      const receivers = makeReceivers()
      const node = yield* open(SharedStorage.make().view(), receivers, [hook("a"), hook("b", ["file.*"])])
      yield* node.registry.commit([], [deleted, completed])
      yield* node.webhooks.round
      yield* node.webhooks.round
      const { deliveries } = receivers
      assert.deepStrictEqual(deliveries.map(({ body, host }) => `${host} ${JSON.parse(body).type}`).sort(), [
        "a batch.completed",
        "a file.deleted",
        "b file.deleted"
      ])
      for (const { body, headers, host } of deliveries) {
        const { id, object, owner } = JSON.parse(body)
        assert.deepStrictEqual([object, headers["webhook-id"], owner], ["event", id, { user: "alice", team: null }])
        const signed = `${id}.${headers["webhook-timestamp"]}.${body}`
        const digest = createHmac("sha256", `secret of ${host}`).update(signed).digest("base64")
        assert.strictEqual(headers["webhook-signature"], `v1,${digest}`)
      }
      assert.deepStrictEqual(
        yield* node.registry.outbox.scan({ index: "due", partitions: ["all"], order: "asc", limit: 9 }),
        []
      )
    })
  )

  it.effect("are tried again on their own, with the same ID, until they take it or three days are over", () =>
    Effect.gen(function* () {
      const receivers = makeReceivers()
      const { answers, deliveries } = receivers
      const webhooks = [hook("well"), hook("ill"), hook("gone"), hook("away")]
      const node = yield* open(SharedStorage.make().view(), receivers, webhooks)
      answers.set("ill", 500).set("gone", 410).set("away", "unreachable")
      yield* node.registry.commit([], [deleted])
      yield* node.webhooks.round
      yield* TestClock.adjust("4 seconds")
      yield* node.webhooks.round
      assert.deepStrictEqual(deliveries.map(({ host }) => host).sort(), ["away", "gone", "ill", "well"])
      yield* TestClock.adjust("2 seconds")
      answers.set("ill", 200)
      yield* node.webhooks.round
      assert.deepStrictEqual(
        deliveries
          .slice(4)
          .map(({ host }) => host)
          .sort(),
        ["away", "ill"]
      )
      for (let hour = 0; hour < 90; hour++) {
        yield* TestClock.adjust("1 hour")
        yield* node.webhooks.round
      }
      const away = deliveries.filter(({ host }) => host === "away")
      assert.lengthOf(
        deliveries.filter(({ host }) => host !== "away"),
        4
      )
      assert.isAtLeast(away.length, 8)
      assert.strictEqual(new Set(away.map(({ headers }) => headers["webhook-id"])).size, 1)
      assert.isAtMost((away.at(-1)?.at ?? 0) - (away[0]?.at ?? 0), 72 * 3_600_000)
    })
  )

  it.effect("hear from the next instance what a killed one has recorded and not delivered", () =>
    Effect.gen(function* () {
      const storage = SharedStorage.make()
      const receivers = makeReceivers()
      const view = storage.view()
      const first = yield* open(view, receivers, [hook("a")])
      yield* first.registry.commit([], [deleted])
      view.die()
      const next = yield* open(storage.view(), receivers, [hook("a")])
      yield* next.webhooks.round
      assert.lengthOf(receivers.deliveries, 1)
    })
  )

  it.effect("are told by one instance only, and by another when that one was killed on the way", () =>
    Effect.gen(function* () {
      const storage = SharedStorage.make()
      const receivers = makeReceivers()
      const view = storage.view()
      const one = yield* open(view, receivers, [hook("a")])
      const two = yield* open(storage.view(), receivers, [hook("a")])
      yield* one.registry.commit([], [deleted])
      yield* Effect.all([one.webhooks.round, two.webhooks.round], { concurrency: "unbounded" })
      assert.lengthOf(receivers.deliveries, 1)
      yield* one.registry.commit([], [completed])
      // It dies when it has sent the event and before it can say so.
      receivers.onDelivery = () => view.die()
      yield* Effect.forkChild(one.webhooks.round, { startImmediately: true })
      yield* TestClock.adjust("30 seconds")
      receivers.onDelivery = () => {}
      yield* two.webhooks.round
      assert.lengthOf(receivers.deliveries, 2)
      yield* TestClock.adjust("31 seconds")
      yield* two.webhooks.round
      assert.lengthOf(receivers.deliveries, 3)
      assert.strictEqual(receivers.deliveries[1]?.headers["webhook-id"], receivers.deliveries[2]?.headers["webhook-id"])
    })
  )

  it.effect("cost nothing where there are none", () =>
    Effect.gen(function* () {
      const node = yield* open(SharedStorage.make().view(), makeReceivers(), [])
      yield* node.registry.commit([], [deleted])
      assert.deepStrictEqual(
        yield* node.registry.outbox.scan({ index: "due", partitions: ["all"], order: "asc", limit: 9 }),
        []
      )
    })
  )
})
