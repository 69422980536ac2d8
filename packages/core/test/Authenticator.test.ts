import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { createHash } from "node:crypto"
import * as Authenticator from "../src/Authenticator.ts"
import * as Sha256 from "../src/Sha256.ts"

const key = (text: string, user: string): Authenticator.ApiKey => ({
  key: Redacted.make(text),
  role: "user",
  user,
  team: null,
  models: ["*"]
})

const authenticate = (given: string | undefined) =>
  Effect.flatMap(Authenticator.Authenticator, (authenticator) => authenticator.authenticate(given)).pipe(
    Effect.provide(Authenticator.layer([key("key-1", "alice"), key("key-2", "bob")])),
    Effect.provide(Sha256.layerPortable)
  )

describe("Authenticator", () => {
  it.effect("knows whose key it is, and tells nothing of the key itself", () =>
    Effect.gen(function* () {
      const principal = yield* authenticate("key-2")
      assert.strictEqual(principal.user, "bob")
      assert.strictEqual(principal.keyHash, createHash("sha256").update("key-2").digest("hex"))
      assert.notInclude(JSON.stringify(principal), "key-2")
    })
  )

  it.effect("refuses no key, and every other one in the same words", () =>
    Effect.gen(function* () {
      for (const absent of [undefined, ""]) {
        assert.include((yield* Effect.flip(authenticate(absent))).message, "didn't provide")
      }
      const messages = new Set<string>()
      for (const wrong of ["key-3", "KEY-1", "key-1 ", " key-1", "key-", "constructor", "__proto__"]) {
        messages.add((yield* Effect.flip(authenticate(wrong))).message)
      }
      assert.deepStrictEqual([...messages], ["Incorrect API key provided."])
    })
  )

  it.effect("gives a key that it has seen before the same answer", () =>
    Effect.gen(function* () {
      const authenticator = yield* Authenticator.Authenticator
      const first = yield* authenticator.authenticate("key-1")
      assert.strictEqual(yield* authenticator.authenticate("key-1"), first)
      yield* Effect.flip(authenticator.authenticate("key-3"))
      yield* Effect.flip(authenticator.authenticate("key-3"))
    }).pipe(Effect.provide(Authenticator.layer([key("key-1", "alice")])), Effect.provide(Sha256.layerPortable))
  )
})
