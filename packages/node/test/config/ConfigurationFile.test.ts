import { assert, describe, it } from "@effect/vitest"
import { defaultPolicy } from "@omnifile/core/Account"
import { defaults as defaultFileSettings } from "@omnifile/core/Settings"
import { load } from "@omnifile/node/config/Configuration"
import * as Effect from "effect/Effect"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { parse, text, withDirectory } from "./support.ts"

const surroundings = { env: {}, cwd: "/srv", providers: ["openai"] }

describe("load", () => {
  it.effect("reads a file relative to the working directory", () =>
    withDirectory((cwd) =>
      Effect.gen(function* () {
        // Editors on Windows begin a file with a byte order mark, and end lines with two characters.
        const crlf = text({ more: "storage: { registry: 'sqlite:here.db' }" }).replaceAll("\n", "\r\n")
        yield* Effect.promise(() => writeFile(join(cwd, "a.yaml"), `\uFEFF${crlf}`))
        const { storage } = yield* load({ ...surroundings, cwd, file: "a.yaml" })
        assert.deepStrictEqual(storage.registry, { _tag: "Sqlite", filename: join(cwd, "here.db") })
      })
    )
  )

  it.effect("says which file cannot be read, and why", () =>
    withDirectory((cwd) =>
      Effect.gen(function* () {
        yield* Effect.promise(() => writeFile(join(cwd, "binary.yaml"), new Uint8Array([0x61, 0xff, 0xfe])))
        const messageOf = (file: string) =>
          Effect.map(Effect.flip(load({ ...surroundings, cwd, file })), ({ message }) => message)
        assert.strictEqual(yield* messageOf("absent.yaml"), "absent.yaml: there is no such file")
        assert.strictEqual(yield* messageOf("."), ".: is a directory")
        assert.strictEqual(yield* messageOf("binary.yaml"), "binary.yaml: is not UTF-8 text")
      })
    )
  )
})

const readRepositoryFile = (name: string): Effect.Effect<string> =>
  Effect.promise(() => readFile(new URL(`../../../../${name}`, import.meta.url), "utf8"))

/** Settings that are switched off become settings. A remark has one space after the #. */
const switchedOn = (yaml: string): string => yaml.replaceAll(/^( *)#(?! \S|$)/gm, "$1")

describe("omnifile.example.yaml", () => {
  it.effect("is a configuration once its variables are set", () =>
    Effect.gen(function* () {
      const yaml = yield* readRepositoryFile("omnifile.example.yaml")
      const names = [...yaml.matchAll(/"\$\{([A-Z_]+)\}"/g)].map(([, name]) => name ?? "")
      const env = Object.fromEntries(names.map((name) => [name, `value-of-${name}`]))
      const { accounts } = yield* parse(yaml, { env })
      assert.isAtLeast(accounts.length, 1)
      const complete = yield* parse(switchedOn(yaml), { env })
      assert.isAbove(complete.accounts.length, accounts.length)
      // They repeat the defaults.
      const { server, storage } = yield* parse(yaml, { env })
      assert.deepStrictEqual([complete.server, complete.storage], [server, storage])
      assert.deepStrictEqual({ ...defaultFileSettings, ...complete.files }, defaultFileSettings)
      assert.deepStrictEqual(complete.accounts[0]?.policy, defaultPolicy)
    })
  )

  it.effect("has fields that the guide describes", () =>
    Effect.gen(function* () {
      const yaml = switchedOn(yield* readRepositoryFile("omnifile.example.yaml"))
      const guide = yield* readRepositoryFile("docs/guides/configuration.md")
      const fields = new Set([...yaml.matchAll(/^[ -]*([a-z_]+):/gm)].map(([, field]) => field ?? ""))
      assert.isAbove(fields.size, 30)
      assert.deepStrictEqual(
        [...fields].filter((field) => !guide.includes(`\`${field}\``) && !guide.includes(`\`timeouts.${field}\``)),
        []
      )
    })
  )
})
