import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "fast-check"
import { inspect } from "node:util"
import { stringify } from "yaml"
import { parse } from "./support.ts"

/** Part of every secret below, and of nothing else. */
const mark = "QZ7"
const secret = mark.repeat(8)

const tree = {
  accounts: [
    {
      id: "main",
      provider: "openai",
      api_key: secret,
      base_url: `https://user:${secret}@host/?key=${secret}`,
      organization: secret,
      headers: { "X-Token": secret, "X-Bad": `${secret}\n` }
    },
    { id: "other", provider: "openai", api_key: `${secret} with spaces`, timeouts: { connect: secret } }
  ],
  models: [{ name: "gpt", deployments: [{ id: "one", account: "mian", model: "m", weight: secret }] }],
  keys: [
    { key: secret, user: "alice" },
    { key: secret, role: secret },
    { key: "${TOKEN}", models: ["gtp"] }
  ],
  storage: { registry: `postgres://user:${secret}@host/db`, cache: `redis://:${secret}@host`, content: secret },
  secret: mark,
  previous_secrets: [mark],
  server: { host: secret, port: secret, max_file_size: secret, log: { level: secret } },
  files: { replicate: secret }
}

/** The file as people write it, with quotes and without, and with slips of the keyboard. */
const slips = FastCheck.record({
  flow: FastCheck.boolean(),
  plain: FastCheck.boolean(),
  edits: FastCheck.array(
    FastCheck.record({
      at: FastCheck.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      remove: FastCheck.integer({ min: 0, max: 3 }),
      insert: FastCheck.constantFrom(
        "",
        "",
        '"',
        "'",
        ":",
        " ",
        "\n",
        "\n  ",
        "{",
        "}",
        "[",
        ",",
        "*",
        "!",
        "&",
        "|",
        "\t",
        "#"
      )
    }),
    { maxLength: 4 }
  )
})

describe("secrets", () => {
  for (const yaml of [
    `secret: |${secret}`,
    `secret: *${secret}`,
    `secret: !${secret} x`,
    `secret: !!${secret} x`,
    `secret: !u!${secret} x`,
    `secret: %${secret}`,
    `secret: @${secret}`,
    `secret: "\\${secret}"`,
    `secret: "\\u${secret}"`,
    `secret: x: ${secret}`,
    `secret: &${secret} &${secret} x`,
    `secret: "${secret}`,
    `secret: "" ${secret}`,
    `secret: \${${secret}-x}`,
    `secret: \${${secret}`,
    `secret: [${secret}`,
    `{ secret:${secret} }`,
    `{ ${secret} }`,
    `{ secret: x } ${secret}`,
    `secret: x\n} ${secret}`,
    `%${secret}\n---\nsecret: x`,
    `${secret}`,
    `- ${secret}`,
    `? [${secret}]\n: x`
  ]) {
    it.effect(`are not quoted from ${yaml.replaceAll(secret, "SECRET")}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(parse(yaml))
        assert.notInclude(inspect(error, { depth: 10 }), mark)
      })
    )
  }

  it("are in no problem, whatever is wrong with the file", () => {
    FastCheck.assert(
      FastCheck.property(slips, ({ edits, flow, plain }) => {
        const written = stringify(tree, {
          collectionStyle: flow ? "flow" : "block",
          defaultStringType: plain ? "PLAIN" : "QUOTE_DOUBLE",
          defaultKeyType: "PLAIN",
          lineWidth: 0
        })
        const yaml = edits.reduce((edited, { at, insert, remove }) => {
          const offset = Math.floor(at * edited.length)
          return edited.slice(0, offset) + insert + edited.slice(offset + remove)
        }, written)
        const env = { TOKEN: secret, PORT: secret, HOST: `${secret}:1` }
        const error = Effect.runSync(Effect.flip(parse(yaml, { env })))
        const told = [error.message, String(error), JSON.stringify(error), inspect(error, { depth: 10 })]
        assert.notInclude(told.join("\n"), mark)
      }),
      { numRuns: 300 }
    )
  })
})
