import { describe } from "@effect/vitest"
import { itTells, text, type Case } from "./support.ts"

const account = "id: main, provider: openai, api_key: sk-1"

const cases: ReadonlyArray<Case> = [
  {
    title: "wrong types",
    yaml: text({
      account: "id: 7, provider: openai, api_key: 123, headers: [], exclusive: maybe",
      deployments: "main",
      key: "key: [k], models: gpt",
      more: "server: 4000\nfiles: { replicate: [any] }\n"
    }),
    problems: [
      "2:11 accounts[0].id: must be text: put it in quotes",
      "2:41 accounts[0].api_key: must be text: put it in quotes",
      "2:55 accounts[0].headers: must be a mapping with fields",
      "2:70 accounts[0].exclusive: must be true or false",
      "4:32 models[0].deployments[0]: must be a mapping with fields",
      "6:12 keys[0].key: must be text",
      "6:25 keys[0].models: must be a list",
      "7:9 server: must be a mapping with fields",
      "8:21 files.replicate: must be one of any, targets"
    ]
  },
  {
    title: "IDs and names that cannot be used",
    yaml: text({
      account: `id: "a b", provider: openai, api_key: k`,
      deployments: `{ id: "${"d".repeat(65)}", account: main, model: "" }`,
      key: `key: k, user: "${"u".repeat(101)}", team: "a\\nb"`
    }).replace("name: gpt", 'name: "a,b"'),
    problems: [
      "2:11 accounts[0].id: must be 1 to 64 letters, digits, dots, underscores and hyphens, " +
        "the first one a letter or digit",
      "4:13 models[0].name: must be 1 to 128 printable characters without a comma, and no spaces at the ends",
      "4:40 models[0].deployments[0].id: must be 1 to 64 letters, digits, dots, underscores and hyphens, " +
        "the first one a letter or digit",
      "4:118 models[0].deployments[0].account: is not the id of an account; known: a b",
      "4:131 models[0].deployments[0].model: must be 1 to 256 printable characters, without spaces at the ends",
      "6:21 keys[0].user: must be 1 to 100 printable characters, without spaces at the ends",
      "6:132 keys[0].team: must be 1 to 100 printable characters, without spaces at the ends"
    ]
  },
  {
    title: "a model name that stands for all models",
    yaml: text().replace("name: gpt", 'name: "*"'),
    problems: ["4:13 models[0].name: must not be *, which stands for all models"]
  },
  {
    title: "base URLs",
    yaml: `accounts:
  - { id: a, provider: openai, api_key: k, base_url: "api.openai.com/v1" }
  - { id: b, provider: openai, api_key: k, base_url: "ftp://api.openai.com/v1" }
  - { id: c, provider: openai, api_key: k, base_url: "https://user:pw@api.openai.com/v1" }
  - { id: d, provider: openai, api_key: k, base_url: "https://api.openai.com/v1?key=1" }
  - { id: e, provider: openai, api_key: k, base_url: "https://api.openai.com/v1#a" }
  - { id: f, provider: openai, api_key: k, base_url: "http://api.openai.com/v1" }
  - { id: g, provider: openai, api_key: k, base_url: "http://127.evil.com/v1", allow_insecure_http: false }
models: [{ name: gpt, deployments: [{ account: a, model: m }] }]
keys: [{ key: k }]
`,
    problems: [
      "2:54 accounts[0].base_url: must be an http or https URL, such as https://api.openai.com/v1",
      "3:54 accounts[1].base_url: must be an http or https URL",
      "4:54 accounts[2].base_url: must not hold a user or a password",
      "5:54 accounts[3].base_url: must not have a query or a fragment",
      "6:54 accounts[4].base_url: must not have a query or a fragment",
      ...["7:54 accounts[5]", "8:54 accounts[6]"].map(
        (place) =>
          `${place}.base_url: must be https, or the API key is sent in clear; ` +
          "allow_insecure_http: true on the account permits it"
      )
    ]
  },
  {
    title: "headers that the server sets, or that are none",
    yaml: text({
      account: `${account}, headers: { Authorization: a, Host: b, "a b": c, X-A: d, x-a: e, X-B: "\\n", OpenAI-Project: p }`
    }),
    problems: [
      "2:61 accounts[0].headers.Authorization: is made from api_key",
      "2:79 accounts[0].headers.Host: is set by the server itself",
      "2:88 accounts[0].headers.…: is not the name of an HTTP header",
      "2:106 accounts[0].headers.x-a: is given twice: the case of letters does not matter",
      "2:119 accounts[0].headers.X-B: must be text of printable ASCII, without spaces at the ends",
      "2:125 accounts[0].headers.OpenAI-Project: is the field project of the account"
    ]
  },
  {
    title: "numbers, sizes and durations out of range",
    yaml: text({
      account: `${account}, attempts: 0, concurrent_uploads: 1.5, timeouts: { connect: 30, idle: 0s, upload: 25d }`,
      deployments: "{ account: main, model: m, weight: -1 }",
      more: `server:
  port: 65536
  host: "localhost:80"
  max_file_size: 5XB
  max_body_size: 0
  shutdown_timeout: 1 fortnight
  log: { format: xml, level: verbose }
files: { idempotency_ttl: 1w, on_partial_failure: some }
`
    }),
    problems: [
      "2:60 accounts[0].attempts: must be a whole number from 1 to 20",
      "2:83 accounts[0].concurrent_uploads: must be a whole number from 1 to 1000",
      "2:109 accounts[0].timeouts.connect: must be a duration such as 500ms, 30s, 5m or 24h, up to 24d",
      "2:119 accounts[0].timeouts.idle: must be a duration such as 500ms, 30s, 5m or 24h, up to 24d",
      "2:131 accounts[0].timeouts.upload: must be a duration such as 500ms, 30s, 5m or 24h, up to 24d",
      "4:67 models[0].deployments[0].weight: must be a number, 0 or more",
      "8:9 server.port: must be a whole number from 0 to 65535",
      "9:9 server.host: must be a host name or an IP address, without a scheme, a port or brackets",
      "10:18 server.max_file_size: must be a size such as 512MB, 64MiB or a number of bytes",
      "11:18 server.max_body_size: must be a size such as 512MB, 64MiB or a number of bytes",
      "12:21 server.shutdown_timeout: must be a duration such as 500ms, 30s, 5m or 24h, up to 24d",
      "13:18 server.log.format: must be one of auto, json, pretty",
      "13:30 server.log.level: must be one of trace, debug, info, warn, error, fatal, none",
      "14:27 files.idempotency_ttl: must be a duration such as 30m, 24h or 7d, up to 3650d",
      "14:51 files.on_partial_failure: must be one of all, any"
    ]
  },
  {
    title: "storage that is not there",
    yaml: text({
      more: `storage:
  registry: mysql://user:pw@host/db
  cache: postgres://host
  content: ./blobs
`
    }),
    problems: [
      "8:13 storage.registry: mysql storage is not built into this version: must be sqlite:PATH, postgres://..., redis://HOST or memory:",
      "9:10 storage.cache: must be memory or redis://HOST",
      "10:12 storage.content: must be file:PATH, s3://BUCKET/PREFIX, azblob://ACCOUNT/CONTAINER/PREFIX, gs://BUCKET/PREFIX, postgres:, memory: or none"
    ]
  },
  {
    title: "a shared registry without a secret, and a URL with a slip",
    yaml: text({ more: 'storage: { registry: "postgres://user:pw@host/db?sslmod=require" }' }),
    problems: [
      "1:1 secret: is required with a registry that several servers share",
      "7:22 storage.registry: has a parameter that is none of sslmode, sslrootcert, sslcert, sslkey, schema, " +
        "max_connections, statement_timeout, application_name"
    ]
  },
  {
    title: "paths that are none",
    yaml: text({ more: 'storage: { registry: "sqlite::memory:", content: "file:" }' }),
    problems: [
      "7:22 storage.registry: must be sqlite:PATH, postgres://..., redis://HOST or memory:",
      "7:50 storage.content: must be file:PATH, s3://BUCKET/PREFIX, azblob://ACCOUNT/CONTAINER/PREFIX, gs://BUCKET/PREFIX, postgres:, memory: or none"
    ]
  },
  {
    title: "secrets that are too weak",
    yaml: text({
      account: 'id: main, provider: openai, api_key: ""',
      key: 'key: "with space"',
      more: 'secret: short\nprevious_secrets: ["", 0123456789abcdef]\n'
    }),
    problems: [
      "2:44 accounts[0].api_key: must not be empty",
      "6:12 keys[0].key: must be printable ASCII without spaces and line breaks",
      "7:9 secret: must have at least 16 characters",
      "8:20 previous_secrets[0]: must have at least 16 characters"
    ]
  },
  {
    title: "a list of models without entries, which must not stand for all",
    yaml: text({ key: "key: k, models: " }),
    problems: ["6:15 keys[0].models: must be a list"]
  }
]

describe("the problems of single fields", () => {
  for (const each of cases) itTells(each)
})
