import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { itTells, parse, text } from "./support.ts"

describe("Redis in a configuration", () => {
  it.effect("keeps records and counts limits", () =>
    Effect.gen(function* () {
      const configuration = yield* parse(
        text({
          more: `secret: 0123456789abcdef
storage: { registry: "redis://:password@cache.example:6380/2" }
limits: { store: "rediss://other.example" }
`
        })
      )
      const { registry } = configuration.storage
      assert.strictEqual(registry._tag, "Redis")
      if (registry._tag === "Redis") assert.include(Redacted.value(registry.url), "cache.example")
      const store = configuration.limits?.store
      assert.strictEqual(store?._tag, "Redis")
      if (store?._tag === "Redis") assert.strictEqual(Redacted.value(store.url), "rediss://other.example")
    })
  )

  it.effect("may be told to count limits in memory", () =>
    Effect.gen(function* () {
      const configuration = yield* parse(text({ more: "limits: { store: memory }" }))
      assert.deepStrictEqual(configuration.limits?.store, { _tag: "Memory" })
    })
  )

  it.effect("may be what instances share beside the registry: limits are counted there by default", () =>
    Effect.gen(function* () {
      const urlOf = (yaml: string) =>
        Effect.map(parse(text({ more: `storage: { cache: "redis://cache.example" }\n${yaml}` })), ({ limits }) =>
          limits?.store?._tag === "Redis" ? Redacted.value(limits.store.url) : limits?.store?._tag
        )
      assert.strictEqual(yield* urlOf(""), "redis://cache.example")
      assert.strictEqual(yield* urlOf("limits: { key: { files_per_day: 5 } }"), "redis://cache.example")
      assert.strictEqual(yield* urlOf("limits: { store: redis://limits.example }"), "redis://limits.example")
      assert.strictEqual(yield* urlOf("limits: { store: memory }"), "Memory")
    })
  )

  itTells({
    title: "needs a secret, because there is no directory to keep one in",
    yaml: text({ more: "storage: { registry: redis://localhost }" }),
    problems: ["1:1 secret: is required with a registry that several servers share"]
  })

  itTells({
    title: "has a host",
    yaml: text({
      more: 'secret: 0123456789abcdef\nstorage: { registry: "redis:" }\nlimits: { store: postgres://host }\n'
    }),
    problems: [
      "8:22 storage.registry: must be sqlite:PATH, postgres://..., redis://HOST or memory:",
      "9:18 limits.store: must be memory or redis://HOST"
    ]
  })
})
