import { afterAll, assert, describe, it } from "@effect/vitest"
import type { RegistryBackend } from "@omnifile/core/RegistryBackend"
import * as RegistrySuite from "@omnifile/testkit/RegistrySuite"
import * as RedisServer from "@omnifile/testkit/servers/RedisServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { createClient } from "redis"
import * as RedisRegistry from "../src/RedisRegistry.ts"
import * as Scripts from "../src/Scripts.ts"

const server = await RedisServer.startOrReport("RedisRegistry")
afterAll(() => server?.stop())

const options = (url: string, prefix?: string): RedisRegistry.Options => ({ url: Redacted.make(url), prefix })

const insertion = (key: string) => [
  { collection: "c", key, expected: 0, record: { value: "1", entries: [{ index: "i", partitions: ["p"], sort: "1" }] } }
]

if (server !== null) {
  RegistrySuite.suite("redis", RedisRegistry.layer(options(server.url, "suite:")))
  RegistrySuite.reopenSuite("redis", () => RedisRegistry.layer(options(server.url, "reopened:")))
  RegistrySuite.sharedSuite("redis", () => RedisRegistry.layer(options(server.url, "shared:")))
}

/** A way to the server on which the answers to the next commits get lost, together with the connection. */
const lossyWay = (url: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const { hostname, port } = new URL(url)
      const way = { url: "", toLose: 0 }
      const sockets = new Set<Socket>()
      const proxy = createServer((client) => {
        const server = connect(Number(port), hostname)
        let isLost = false
        const end = () => {
          client.destroy()
          server.destroy()
        }
        for (const socket of [client, server]) sockets.add(socket.on("error", end).on("close", end))
        client.on("data", (data) => {
          isLost ||= way.toLose > 0 && data.includes(Scripts.commit.sha)
          server.write(data)
        })
        server.on("data", (data) => {
          if (!isLost) return void client.write(data)
          way.toLose--
          end()
        })
      }).listen(0, "127.0.0.1")
      await once(proxy, "listening")
      const address = proxy.address()
      way.url = `redis://127.0.0.1:${address === null || typeof address === "string" ? 0 : address.port}`
      return { way, proxy, sockets }
    }),
    ({ proxy, sockets }) =>
      Effect.sync(() => {
        proxy.close()
        for (const socket of sockets) socket.destroy()
      })
  ).pipe(Effect.map(({ way }) => way))

/** Sends commands as somebody else. */
const asAdmin = (url: string, ...command: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    const client = createClient({ url })
    client.on("error", () => {})
    await client.connect()
    try {
      return await client.sendCommand<unknown>(command)
    } finally {
      client.destroy()
    }
  })

const drained = (backend: RegistryBackend["Service"], tag: "Nothing" | "Keys" | "Everything") =>
  backend.drainInvalidations.pipe(
    Effect.repeat({ schedule: Schedule.spaced("5 millis"), until: ({ _tag }) => _tag === tag })
  )

describe.skipIf(server === null)("RedisRegistry", () => {
  const url = server?.url ?? ""

  it.live("names the keys that others have changed, and not its own", () =>
    Effect.gen(function* () {
      const one = yield* RedisRegistry.make(options(url, "keys:"))
      const other = yield* RedisRegistry.make(options(url, "keys:"))
      yield* drained(one, "Nothing")
      yield* drained(other, "Nothing")
      yield* one.commit(insertion("a"))
      assert.deepStrictEqual(yield* drained(other, "Keys"), { _tag: "Keys", keys: [{ collection: "c", key: "a" }] })
      assert.strictEqual((yield* one.drainInvalidations)._tag, "Nothing")
      assert.strictEqual((yield* other.drainInvalidations)._tag, "Nothing")
    })
  )

  it.live("takes a message that it does not understand for a change of everything", () =>
    Effect.gen(function* () {
      const backend = yield* RedisRegistry.make(options(url, "messages:"))
      yield* drained(backend, "Nothing")
      yield* asAdmin(url, "PUBLISH", "messages:changes", "a later version may say this")
      yield* drained(backend, "Everything")
    })
  )

  it.live("notices that the database was emptied", () =>
    Effect.gen(function* () {
      const backend = yield* RedisRegistry.make(options(url, "emptied:"))
      yield* backend.commit(insertion("a"))
      yield* drained(backend, "Nothing")
      yield* asAdmin(url, "DEL", "emptied:generation", "emptied:record:1:c:a")
      yield* drained(backend, "Everything")
      assert.deepStrictEqual(yield* backend.read("c", ["a"]), [undefined])
    })
  )

  it.live("hears nothing while its connection is cut, and says so until it hears again", () =>
    Effect.gen(function* () {
      const one = yield* RedisRegistry.make(options(url, "cut:"))
      const other = yield* RedisRegistry.make(options(url, "cut:"))
      yield* drained(one, "Nothing")
      yield* asAdmin(url, "CLIENT", "KILL", "TYPE", "pubsub")
      yield* drained(one, "Everything")
      yield* drained(one, "Nothing")
      yield* other.commit(insertion("a"))
      yield* drained(one, "Keys")
    })
  )

  it.live("leaves no entry of an index behind, and no record that was removed", () =>
    Effect.gen(function* () {
      const backend = yield* RedisRegistry.make(options(url, "tidy:"))
      yield* backend.commit(insertion("a"))
      yield* backend.commit([{ collection: "c", key: "a", expected: 1, record: null }])
      const left = (yield* asAdmin(url, "KEYS", "tidy:*")) as ReadonlyArray<string>
      // That a commit was applied is remembered for a while.
      const [mark = "", ...others] = left.toSorted().filter((key) => key !== "tidy:generation")
      assert.match(mark, /^tidy:commit:/)
      assert.match(others.join(), /^tidy:commit:[^,]*$/)
      assert.isAbove(Number(yield* asAdmin(url, "TTL", mark)), 0)
    })
  )

  it.live("says that a key which holds something else is corrupt", () =>
    Effect.gen(function* () {
      const backend = yield* RedisRegistry.make(options(url, "taken:"))
      yield* asAdmin(url, "SET", "taken:record:1:c:a", "text")
      const { reason } = yield* Effect.flip(backend.read("c", ["a"]))
      assert.strictEqual(reason._tag, "Corrupt")
    })
  )

  it.live("cannot be opened where no server listens", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Layer.build(RedisRegistry.layer(options("redis://127.0.0.1:1"))))
      assert.deepStrictEqual([error.backend, error.reason._tag], ["redis", "Unavailable"])
    })
  )

  it.live("cannot be opened with a URL of something else", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Layer.build(RedisRegistry.layer(options("http://127.0.0.1"))))
      assert.strictEqual(error.reason._tag, "Unavailable")
    })
  )
})

describe.skipIf(server === null)("RedisRegistry, on a bad connection", () => {
  it.live("applies a commit once whose answers get lost", () =>
    Effect.gen(function* () {
      const way = yield* lossyWay(server?.url ?? "")
      const backend = yield* RedisRegistry.make(options(way.url, "lossy:"))
      yield* backend.commit(insertion("a"))
      way.toLose = 3
      yield* backend.commit([{ collection: "c", key: "a", expected: 1, record: { value: "2", entries: [] } }])
      assert.strictEqual(way.toLose, 0)
      assert.deepStrictEqual(yield* backend.read("c", ["a"]), [{ key: "a", version: 2, value: "2" }])
      // Other commits are no less in conflict for that.
      way.toLose = 1
      const stale = backend.commit([{ collection: "c", key: "a", expected: 1, record: null }])
      assert.strictEqual((yield* Effect.flip(stale)).reason._tag, "Conflict")
    })
  )
})

describe.skipIf(server === null)("RedisRegistry, while its server restarts", () => {
  it.live("waits for it, and uses scripts that it has forgotten", () =>
    Effect.gen(function* () {
      const own = yield* Effect.acquireRelease(
        Effect.promise(() => RedisServer.start()),
        ({ stop }) => Effect.promise(stop)
      )
      const backend = yield* RedisRegistry.make(options(own.url))
      yield* backend.commit(insertion("a"))
      yield* drained(backend, "Nothing")
      yield* Effect.promise(own.kill)
      yield* drained(backend, "Everything")
      const [, , records] = yield* Effect.all(
        [Effect.promise(own.restart), backend.commit(insertion("b")), backend.read("c", ["a"])],
        { concurrency: "unbounded" }
      )
      assert.strictEqual(records[0]?.value, "1")
      assert.strictEqual((yield* backend.read("c", ["b"]))[0]?.version, 1)
      yield* drained(backend, "Nothing")
    })
  )
})
