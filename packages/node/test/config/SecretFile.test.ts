import { assert, describe, it } from "@effect/vitest"
import { loadOrCreate } from "@omnifile/node/config/SecretFile"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { withDirectory } from "./support.ts"

/** What is logged meanwhile. */
const logged = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<ReadonlyArray<string>, E> =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => lines.push(`${logLevel} ${String(message)}`))
    return effect.pipe(Effect.provide(Logger.layer([logger])), Effect.as(lines))
  })

describe("loadOrCreate", () => {
  it.effect("makes a secret for this user only, once", () =>
    withDirectory((parent) =>
      Effect.gen(function* () {
        const directory = join(parent, "data")
        const first = Redacted.value(yield* loadOrCreate(directory))
        assert.match(first, /^[A-Za-z0-9_-]{43}$/)
        assert.strictEqual(Redacted.value(yield* loadOrCreate(directory)), first)
        assert.strictEqual(yield* Effect.promise(() => readFile(join(directory, "secret"), "utf8")), `${first}\n`)
        const { mode } = yield* Effect.promise(() => stat(join(directory, "secret")))
        assert.strictEqual(mode & 0o777, 0o600)
        assert.strictEqual((yield* Effect.promise(() => stat(directory))).mode & 0o777, 0o700)
      })
    )
  )

  it.effect("gives one secret to all who start at once, and leaves nothing else behind", () =>
    withDirectory((directory) =>
      Effect.gen(function* () {
        const secrets = yield* Effect.all(
          Array.from({ length: 32 }, () => loadOrCreate(directory)),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(new Set(secrets.map((secret) => Redacted.value(secret))).size, 1)
        assert.deepStrictEqual(yield* Effect.promise(() => readdir(directory)), ["secret"])
      })
    )
  )

  it.effect("makes another one in another directory", () =>
    withDirectory((directory) =>
      Effect.gen(function* () {
        const one = yield* loadOrCreate(join(directory, "one"))
        const two = yield* loadOrCreate(join(directory, "two"))
        assert.notStrictEqual(Redacted.value(one), Redacted.value(two))
      })
    )
  )

  it.effect("warns of a file that others may use, and uses it", () =>
    withDirectory((directory) =>
      Effect.gen(function* () {
        const path = join(directory, "secret")
        yield* Effect.promise(() => writeFile(path, " a secret of one's own \n"))
        yield* Effect.promise(() => chmod(path, 0o640))
        const lines = yield* logged(
          Effect.map(loadOrCreate(directory), (secret) =>
            assert.strictEqual(Redacted.value(secret), "a secret of one's own")
          )
        )
        assert.deepStrictEqual(lines, [`Warn Other users of this machine may read ${path}: chmod 600 it`])
        yield* Effect.promise(() => chmod(path, 0o600))
        assert.deepStrictEqual(yield* logged(loadOrCreate(directory)), [])
      })
    )
  )

  for (const [title, content] of [
    ["an empty file", ""],
    ["one that was cut off", "0123456789"]
  ] as const) {
    it.effect(`refuses ${title} and leaves it alone`, () =>
      withDirectory((directory) =>
        Effect.gen(function* () {
          const path = join(directory, "secret")
          yield* Effect.promise(() => writeFile(path, content))
          const error = yield* Effect.flip(loadOrCreate(directory))
          assert.include(error.message, `The secret in ${path} has fewer than 16 characters`)
          assert.strictEqual(yield* Effect.promise(() => readFile(path, "utf8")), content)
        })
      )
    )
  }

  it.effect("fails where it cannot be kept", () =>
    withDirectory((directory) =>
      Effect.gen(function* () {
        yield* Effect.promise(() => writeFile(join(directory, "file"), ""))
        const error = yield* Effect.flip(loadOrCreate(join(directory, "file")))
        assert.strictEqual(error._tag, "SecretFileError")
        assert.include(error.message, join(directory, "file", "secret"))
        assert.instanceOf(error.cause, Error)
      })
    )
  )
})
