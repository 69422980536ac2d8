import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { itTells, parse, text, type Case } from "./support.ts"

const account = "id: main, provider: openai, api_key: sk-1"

const cases: ReadonlyArray<Case> = [
  {
    title: "an empty file",
    yaml: "# nothing\n",
    problems: ["1:1 accounts: is required", "1:1 models: is required", "1:1 keys: is required"]
  },
  { title: "a file that is no mapping", yaml: "- a\n- b\n", problems: ["1:1: must be a mapping with fields"] },
  {
    title: "empty lists",
    yaml: "accounts: []\nmodels:\n  - { name: a, deployments: [] }\nkeys: []\n",
    problems: [
      "1:11 accounts: must have at least one entry",
      "3:29 models[0].deployments: must have at least one entry",
      "4:7 keys: must have at least one entry"
    ]
  },
  {
    title: "unknown fields",
    yaml: text({ account: `${account}, apiKey: x`, more: "modles: []\nserver: { prot: 1, zzzzzzzz: 2 }\n" }),
    problems: [
      "2:50 accounts[0].apiKey: is not a known field; did you mean api_key?",
      "7:1 modles: is not a known field; did you mean models?",
      "8:11 server.prot: is not a known field; did you mean port?",
      "8:20 server.zzzzzzzz: is not a known field; " +
        "known: host, port, max_file_size, max_upload_size, max_body_size, forward_paths, shutdown_timeout, log"
    ]
  },
  {
    title: "missing fields",
    yaml: text({ account: "provider: openai", deployments: "{ model: m }", key: "user: alice" }),
    problems: [
      "2:5 accounts[0].id: is required",
      "2:5 accounts[0].api_key: is required",
      "4:32 models[0].deployments[0].account: is required",
      "6:5 keys[0].key: is required"
    ]
  },
  {
    title: "required fields without a value",
    yaml: text({ account: "id: main, provider: openai, api_key: " }).replace("keys:\n  -", "keys:\n#"),
    problems: ["2:35 accounts[0].api_key: is required", "5:1 keys: must be a list"]
  },
  {
    title: "variables that are not set, each with its line",
    yaml: text({ account: 'id: main, provider: openai, api_key: "${OPENAI_API_KEY}"', key: 'key: "a-${ONE}-${TWO}"' }),
    problems: [
      "2:44 accounts[0].api_key: the environment variable OPENAI_API_KEY is not set, and there is no default",
      "6:12 keys[0].key: the environment variable ONE is not set, and there is no default",
      "6:12 keys[0].key: the environment variable TWO is not set, and there is no default"
    ]
  },
  {
    title: "malformed references",
    yaml: text({ key: 'key: "${1}"', more: "server:\n  host: ${HOST\n" }),
    problems: [
      "6:12 keys[0].key: has a malformed reference: write ${NAME}, ${NAME:-default}, or $${ for a literal ${",
      "8:9 server.host: has a malformed reference: write ${NAME}, ${NAME:-default}, or $${ for a literal ${"
    ]
  },
  {
    title: "a reference to an account whose ID cannot be read: only the cause is told",
    yaml: text({ account: 'id: "${ACCOUNT}", provider: openai, api_key: k' }),
    problems: ["2:11 accounts[0].id: the environment variable ACCOUNT is not set, and there is no default"]
  },
  {
    title: "names that refer to nothing",
    yaml: text({
      account: "id: main, provider: opnai, api_key: k",
      deployments: "{ account: mian, model: m }, { account: other, model: m }",
      key: 'key: k, models: ["*", gpt, gtp, claude]'
    }),
    problems: [
      "2:27 accounts[0].provider: is not a provider of this version; did you mean openai?",
      "4:43 models[0].deployments[0].account: is not the id of an account; did you mean main?",
      "4:72 models[0].deployments[1].account: is not the id of an account; known: main",
      "6:34 keys[0].models[2]: is not the name of a model; did you mean gpt?",
      "6:39 keys[0].models[3]: is not the name of a model; known: gpt"
    ]
  },
  {
    title: "things given twice",
    yaml: `accounts:
  - { id: a, provider: openai, api_key: k }
  - { id: a, provider: openai, api_key: l, id: b }
models:
  - { name: gpt, deployments: [{ id: d, account: a, model: m }] }
  - { name: gpt, deployments: [{ id: d, account: b, model: m }] }
keys: [{ key: one }, { key: "one", user: alice }]
`,
    problems: [
      "3:44: this field is given twice",
      "6:13 models[1].name: is the same as models[0].name",
      "6:38 models[1].deployments[0].id: is the same as models[0].deployments[0].id",
      "7:29 keys[1].key: is the same as keys[0].key"
    ]
  },
  {
    title: "an exclusive account with a twin",
    yaml: `accounts:
  - { id: a, provider: openai, api_key: k, exclusive: true }
  - { id: b, provider: openai, api_key: k, base_url: "https://api.openai.com/v1/" }
models: [{ name: gpt, deployments: [{ account: a, model: m }] }]
keys: [{ key: k }]
`,
    problems: ["2:55 accounts[0].exclusive: cannot be true: accounts[1] has the same base_url and api_key"]
  },
  {
    title: "a reference in a place where YAML takes its braces for a mapping",
    yaml: text({ more: "server: { port: ${PORT:-4000}, host: localhost }\nfiles: 3\n" }),
    problems: ["7:18: not valid YAML here: text with ${...} inside { } or [ ] has to be in quotes"]
  },
  {
    title: "invalid YAML: what stands before is told too, and nothing that only seems wrong behind it",
    yaml: "accounts:\n  - { id: a, provider: nobody, api_key: k }\n   - { id: b }\nmodels:\n  - name: gpt\n",
    problems: [
      "2:24 accounts[0].provider: is not a provider of this version; known: openai",
      "3:4: All sequence items must start at the same column"
    ]
  },
  {
    title: "slips in YAML that leave the rest clear",
    yaml: text({ more: 'server: !custom { prot: 1 }\nsecret: "\\q0123456789abcdef"\nfiles: *none\n' }),
    problems: [
      "7:9: tags (!name) are not supported",
      "7:19 server.prot: is not a known field; did you mean port?",
      "8:10: unknown escape in \"...\"; in '...' a backslash is only a backslash",
      "9:8 files: refers to an anchor that is not set before it; text that begins with * has to be in quotes"
    ]
  },
  {
    title: "two documents",
    yaml: text({ more: "---\nserver: {}\n" }),
    problems: ["7:1: a configuration is one YAML document"]
  },
  {
    title: "a value that contains itself",
    yaml: text({ more: "files: &loop { replicate: *loop }\n" }),
    problems: ["7:27 files.replicate: is part of what it refers to"]
  }
]

describe("the problems of a configuration file", () => {
  for (const each of cases) itTells(each)

  it.effect("include those of PORT and HOST, after those of the file", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        parse(text({ more: "modles: 1" }), { env: { PORT: "http", HOST: "http://localhost" } })
      )
      assert.deepStrictEqual(
        error.problems.map(({ field, line }) => [line, field]),
        [
          [7, "modles"],
          [null, "HOST"],
          [null, "PORT"]
        ]
      )
      assert.include(error.message, "environment PORT: must be a whole number from 0 to 65535")
    })
  )

  it.effect("end when aliases stand for too much", () =>
    Effect.gen(function* () {
      const names = [..."bcdefghi"]
      const bomb = names.map((name, index) => {
        const previous = `*${names[index - 1] ?? "a"}`
        return `${name}: &${name} [${Array.from({ length: 9 }, () => previous).join(", ")}]`
      })
      const error = yield* Effect.flip(parse(`a: &a [x]\n${bomb.join("\n")}\n`))
      assert.include(error.message, "has more than 100000 values")
    })
  )
})
