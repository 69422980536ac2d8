import { Account } from "@omnifile/core/Account"
import { assert, describe, it } from "@effect/vitest"
import * as Installation from "@omnifile/testkit/host/Installation"
import * as WatchedStorage from "@omnifile/testkit/host/WatchedStorage"
import type * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Configuration } from "../src/config/Configuration.ts"
import * as Doctor from "../src/Doctor.ts"
import { builtInProviders } from "../src/Providers.ts"

const strong = "f2b1c7a09d3e4f5861728394a5b6c7d8"

const startEmulator = Effect.acquireRelease(
  Effect.promise(() => Installation.startEmulator()),
  (emulator: OpenAIEmulator.Emulator) => Effect.promise(() => emulator.close())
)

/** A sound configuration, whose accounts are emulated. */
const makeSound = Effect.map(startEmulator, (emulator): Configuration => {
  const { configuration } = Installation.make(emulator, WatchedStorage.make())
  return {
    ...configuration,
    keys: configuration.keys.map((key, index) => ({ ...key, key: Redacted.make(`${strong}-${index}`) })),
    secret: { current: Redacted.make(strong), previous: [] }
  }
})

const examine = (configuration: Configuration) => Doctor.examine(configuration, builtInProviders)

const verdicts = (findings: ReadonlyArray<Doctor.Finding>) =>
  Object.fromEntries(findings.map(({ subject, verdict }) => [subject, verdict]))

describe("the doctor", () => {
  it.live("finds nothing wrong with what works", () =>
    Effect.gen(function* () {
      const configuration = yield* makeSound
      const findings = yield* examine(configuration)
      assert.deepStrictEqual(verdicts(findings), {
        registry: "ok",
        content: "ok",
        ...Object.fromEntries(configuration.accounts.map(({ id }) => [`account ${id}`, "ok"])),
        clock: "ok",
        secret: "ok",
        keys: "ok"
      })
    })
  )

  it.live("names the account that is refused, and no secret", () =>
    Effect.gen(function* () {
      const sound = yield* makeSound
      const accounts = sound.accounts.map((account) =>
        account.id === "beta" ? new Account({ ...account, apiKey: Redacted.make("sk-of-nobody") }) : account
      )
      const findings = yield* examine({ ...sound, accounts })
      const failed = findings.filter(({ verdict }) => verdict === "failed")
      assert.deepStrictEqual(
        failed.map(({ subject }) => subject),
        ["account beta"]
      )
      const text = Doctor.toText(findings)
      assert.match(text, /^failed {3}account beta: .+$/m)
      assert.notInclude(text, "sk-of-nobody")
      assert.notInclude(text, strong)
    })
  )

  it.live("tells what is away and what is weak", () =>
    Effect.gen(function* () {
      const sound = yield* makeSound
      const directory = mkdtempSync(join(tmpdir(), "omnifile-doctor-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(directory, { recursive: true })))
      const filename = join(directory, "taken.db")
      writeFileSync(filename, "not a database, but long enough to have been one. ".repeat(100))
      const findings = yield* examine({
        ...sound,
        accounts: [],
        keys: [{ ...sound.keys[0], key: Redacted.make("short"), role: "user", user: null, team: null, models: ["*"] }],
        secret: { current: Redacted.make("aaaaaaaaaaaaaaaa"), previous: [] },
        storage: { ...sound.storage, registry: { _tag: "Sqlite", filename } },
        limits: {
          everyKey: {},
          teams: new Map(),
          store: { _tag: "Redis", url: Redacted.make("redis://:password@127.0.0.1:1") }
        }
      })
      assert.deepStrictEqual(verdicts(findings), {
        registry: "failed",
        content: "ok",
        limits: "warning",
        secret: "warning",
        keys: "warning"
      })
      assert.notInclude(Doctor.toText(findings), "password")
    })
  )
})
