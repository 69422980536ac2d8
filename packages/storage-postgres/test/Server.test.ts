import { afterAll, assert, beforeAll, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import path from "node:path"
import * as PostgresRegistry from "../src/PostgresRegistry.ts"
import { describePostgres, newOptions, newUrl, openClient } from "./support/database.ts"
import * as PostgresServer from "@omnifile/testkit/servers/PostgresServer"

/** A server that only this file uses, so that it may be taken away. */
let started: PostgresServer.PostgresServer | undefined
const theServer = Effect.sync(() => {
  if (started === undefined) throw new Error("the server has not started yet")
  return started
})
const startServer = async () => {
  started = await PostgresServer.start()
}
const stopServer = () => started?.stop()

const put = (key: string, expected: number) => [
  { collection: "c", key, expected, record: { value: String(expected + 1), entries: [] } }
]

describePostgres("a server of its own", () => {
  beforeAll(startServer)
  afterAll(stopServer)

  it.live("is trusted as far as sslmode says", () =>
    Effect.gen(function* () {
      const server = yield* theServer
      const admin = yield* openClient(newUrl(server.url), 1)
      const certificates = path.join(import.meta.dirname, "certificates")
      /** With a certificate that its own key has signed, for 127.0.0.1 or for a host of another name. */
      const secure = (name: "address" | "elsewhere") =>
        Effect.promise(async () => {
          const settings = {
            ssl_cert_file: server.hide(path.join(certificates, `${name}.pem`)),
            ssl_key_file: server.hide(path.join(certificates, `${name}.key.pem`)),
            ssl: "on"
          }
          for (const [setting, value] of Object.entries(settings)) {
            await admin.unsafe(`ALTER SYSTEM SET ${setting} = '${value}'`)
          }
          await server.halt()
          await server.resume()
        })
      const outcome = (parameters: string, authority?: string) => {
        const rootCertificate = authority && `&sslrootcert=${path.join(certificates, authority)}.pem`
        const url = Redacted.make(`${newUrl(server.url)}&${parameters}${rootCertificate ?? ""}`)
        return Effect.scoped(PostgresRegistry.make({ url, retryFor: "100 millis" })).pipe(
          Effect.map(() => "open"),
          Effect.catch(({ reason }) => Effect.succeed("cause" in reason ? String(reason.cause) : reason._tag))
        )
      }

      assert.strictEqual(yield* outcome("sslmode=prefer"), "open")
      assert.notStrictEqual(yield* outcome("sslmode=require"), "open")
      yield* secure("address")
      assert.strictEqual(yield* outcome("sslmode=require"), "open")
      assert.match(yield* outcome("sslmode=verify-full"), /self-signed certificate/)
      assert.match(yield* outcome("sslmode=verify-ca", "elsewhere"), /self-signed certificate/)
      assert.strictEqual(yield* outcome("sslmode=verify-full", "address"), "open")
      yield* secure("elsewhere")
      assert.match(yield* outcome("sslmode=verify-full", "elsewhere"), /does not match certificate/)
      assert.strictEqual(yield* outcome("sslmode=verify-ca", "elsewhere"), "open")
    })
  )

  it.live(
    "that restarts loses no call and applies no commit twice, and meanwhile everything may have changed",
    () =>
      Effect.gen(function* () {
        const server = yield* theServer
        const options = newOptions(server.url)
        const one = yield* PostgresRegistry.make(options)
        const other = yield* PostgresRegistry.make(options)
        const writers = Array.from({ length: 8 }, (_, index) => `writer-${index}`)
        yield* Effect.forEach(writers, (key) => one.commit(put(key, 0)))
        yield* other.drainInvalidations

        const run = { isOver: false }
        const committed = new Map(writers.map((key) => [key, 1]))
        // Each expects the version that its last commit made: a commit that was applied twice, or not at all,
        // would be a conflict.
        const writing = yield* Effect.forkChild(
          Effect.forEach(
            writers,
            (key) =>
              Effect.gen(function* () {
                let version = 1
                while (!run.isOver) {
                  yield* one.commit(put(key, version))
                  committed.set(key, ++version)
                  const [record] = yield* other.read("c", [key])
                  assert.strictEqual(record?.version, version)
                }
              }),
            { concurrency: "unbounded", discard: true }
          ),
          { startImmediately: true }
        )
        yield* Effect.sleep("100 millis")
        yield* Effect.promise(() => server.halt())
        const stopped = new Map(committed)
        const untilEverything = other.drainInvalidations.pipe(
          Effect.tap(() => Effect.sleep("5 millis")),
          Effect.repeat({ until: ({ _tag }) => _tag === "Everything" })
        )
        yield* untilEverything
        assert.strictEqual((yield* other.drainInvalidations)._tag, "Everything")
        yield* Effect.promise(server.resume)
        yield* Effect.gen(function* () {
          yield* Effect.sleep("5 millis")
          return writers.every((key) => (committed.get(key) ?? 0) > (stopped.get(key) ?? 0))
        }).pipe(Effect.repeat({ until: (all) => all }))
        run.isOver = true
        yield* Fiber.join(writing)

        yield* other.drainInvalidations.pipe(
          Effect.tap(() => Effect.sleep("5 millis")),
          Effect.repeat({ until: ({ _tag }) => _tag !== "Everything" })
        )
        // Another connection that comes back later may mean everything once more: then the next commit tells.
        let rounds = 0
        const toldOf = Effect.gen(function* () {
          const after = `after-${rounds++}`
          yield* one.commit(put(after, 0))
          return yield* other.drainInvalidations.pipe(
            Effect.tap(() => Effect.sleep("2 millis")),
            Effect.repeat({
              until: (told) =>
                told._tag === "Everything" || (told._tag === "Keys" && told.keys.some(({ key }) => key === after))
            })
          )
        })
        yield* toldOf.pipe(Effect.repeat({ until: ({ _tag }) => _tag === "Keys" }))
      }),
    60_000
  )

  it.live("that is away for too long makes the backend unavailable", () =>
    Effect.gen(function* () {
      const server = yield* theServer
      const backend = yield* PostgresRegistry.make({ ...newOptions(server.url), retryFor: "200 millis" })
      yield* Effect.promise(() => server.halt())
      for (const call of [backend.read("c", ["a"]), backend.commit(put("a", 0))]) {
        const { reason } = yield* Effect.flip(call)
        assert.strictEqual(reason._tag, "Unavailable")
      }
    })
  )
})
