import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import type { Event } from "../src/Event.ts"
import { Events } from "../src/Events.ts"
import type { Hook } from "../src/Hooks.ts"
import { settle } from "./support/time.ts"
import * as World from "./support/World.ts"

describe("events", () => {
  it.effect("reach hooks and the stream in the order of what has happened", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const deleted = yield* Deferred.make<Event>()
      const broken: Hook = { name: "broken", onEvent: () => Effect.die(new Error("a hook's own fault")) }
      const listening: Hook = {
        name: "listening",
        onEvent: (event) => {
          told.push(event.type)
          return event.type === "file.deleted" ? Effect.asVoid(Deferred.succeed(deleted, event)) : Effect.void
        }
      }
      const world = yield* World.make({ hooks: [broken, listening] })
      const instance = yield* world.start()
      const collecting = yield* instance
        .within(Effect.flatMap(Events, ({ stream }) => Stream.runCollect(Stream.take(stream, 5))))
        .pipe(Effect.forkChild({ startImmediately: true }))
      const file = yield* instance.upload()
      yield* instance.remove(file.id ?? "")
      const last = yield* Deferred.await(deleted)
      assert.deepStrictEqual(told, ["file.created", "replica.ready", "replica.ready", "file.ready", "file.deleted"])
      const streamed = [...(yield* Fiber.join(collecting))]
      assert.deepStrictEqual(
        streamed.map(({ type }) => type),
        told
      )
      assert.deepStrictEqual(streamed.at(-1), last)
      assert.strictEqual(new Set(streamed.map(({ id }) => id)).size, 5)
      assert.deepInclude({ ...last.data }, { id: file.id, filename: "a.txt" })
      assert.strictEqual(last.owner.user, "alice")
    })
  )

  it.effect("tell of a copy that its provider lost, and of the one in its place", () =>
    Effect.gen(function* () {
      const told: Array<string> = []
      const listening: Hook = {
        name: "listening",
        onEvent: ({ data, type }) => Effect.sync(() => void told.push(`${type} ${data["account"] ?? ""}`.trim()))
      }
      const world = yield* World.make({ hooks: [listening] })
      const instance = yield* world.start()
      const file = yield* instance.upload({ models: ["east-only"] })
      world.account("east").files.clear()
      yield* instance.chat({ model: "east-only", files: [file.id ?? ""] })
      yield* instance.chat({ model: "west-only", files: [file.id ?? ""] })
      yield* settle
      assert.deepStrictEqual(told.slice(3), [
        "replica.expired east",
        "replica.repaired east",
        "file.ready",
        "replica.ready west",
        "file.ready"
      ])
    })
  )
})
