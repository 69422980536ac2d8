import { assert, describe, it } from "@effect/vitest"
import { Account, CallPolicy, defaultPolicy, Deployment, Quota } from "@omnifile/core/Account"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { inspect } from "node:util"
import { parse, text } from "./support.ts"

describe("a configuration file", () => {
  it.effect("needs an account, a model and a key, and has defaults for the rest", () =>
    Effect.gen(function* () {
      const { accounts, deployments, keys, ...rest } = yield* parse(text())
      assert.deepStrictEqual(
        accounts.map(({ apiKey: _, ...account }) => account),
        [
          {
            id: "main",
            provider: "openai",
            baseUrl: "https://api.openai.com/v1",
            headers: {},
            exclusive: false,
            policy: defaultPolicy,
            files: "auto",
            inlineBelow: null,
            apiVersion: null,
            auth: "api_key",
            quota: null,
            region: null,
            bucket: null
          }
        ]
      )
      assert.deepStrictEqual(
        accounts.map(({ apiKey }) => Redacted.value(apiKey)),
        ["sk-1"]
      )
      assert.deepStrictEqual(deployments, [
        new Deployment({ id: "gpt@main", account: "main", modelName: "gpt", model: "gpt-1", weight: 1 })
      ])
      assert.deepStrictEqual(
        keys.map(({ key, ...owner }) => ({ key: Redacted.value(key), ...owner })),
        [{ key: "client-1", role: "user", user: null, team: null, models: ["*"] }]
      )
      assert.deepStrictEqual(rest, {
        storage: {
          registry: { _tag: "Sqlite", filename: "/srv/data/omnifile.db" },
          cache: "memory",
          content: { _tag: "Disk", directory: "/srv/data/blobs" }
        },
        secret: { current: null, previous: [] },
        server: {
          host: "127.0.0.1",
          port: 4000,
          maxBodySize: 67_108_864,
          forwardPaths: [],
          shutdownTimeout: 25_000,
          log: { format: "auto", level: "Info" }
        },
        files: {}
      })
    })
  )

  it.effect("sets every field", () =>
    Effect.gen(function* () {
      const configuration = yield* parse(`
accounts:
  - id: main
    provider: openai
    base_url: https://Proxy.example.com/openai/v1//
    api_key: sk-1
    organization: org-1
    project: proj-1
    headers: { X-Team: platform }
    exclusive: true
    timeouts: { connect: 500ms, headers: 5m, idle: 1.5s, upload: 2h }
    attempts: 5
    concurrent_uploads: 2
    files: inline
    inline_below: 1MiB
    quota: { bytes: 1TB }
models:
  - name: "Größtes Modell"
    deployments:
      - { id: big-1, account: main, model: "org/big:latest", weight: 0.5 }
keys:
  - { key: client-1, role: admin, user: alice, team: research, models: ["Größtes Modell"] }
storage: { registry: "sqlite:/var/lib/x.db", cache: "memory:", content: "file:///var/lib/blobs" }
secret: 0123456789abcdef
previous_secrets: [fedcba9876543210]
server:
  host: "::"
  port: 0
  max_file_size: 1GiB
  max_body_size: 1048576
  forward_paths: [/videos]
  shutdown_timeout: 1m
  log: { format: json, level: warn }
files:
  on_partial_failure: any
  replicate: targets
  allow_provider_ids: true
  renew_before: 5m
  prefetch_window: 3d
  idempotency_ttl: 7d
  tombstone_ttl: 2h
`)
      const account = configuration.accounts[0]
      assert.instanceOf(account, Account)
      assert.strictEqual(account.baseUrl, "https://proxy.example.com/openai/v1")
      assert.deepStrictEqual(account.headers, {
        "x-team": "platform",
        "openai-organization": "org-1",
        "openai-project": "proj-1"
      })
      assert.isTrue(account.exclusive)
      assert.deepInclude({ ...account }, { files: "inline", inlineBelow: 1_048_576 })
      assert.deepStrictEqual(account.quota, new Quota({ bytes: 1_000_000_000_000, files: null }))
      assert.deepStrictEqual(
        account.policy,
        new CallPolicy({
          connectTimeout: 500,
          headersTimeout: 300_000,
          idleTimeout: 1500,
          uploadTimeout: 7_200_000,
          attempts: 5,
          concurrentUploads: 2
        })
      )
      assert.deepStrictEqual(configuration.deployments, [
        new Deployment({
          id: "big-1",
          account: "main",
          modelName: "Größtes Modell",
          model: "org/big:latest",
          weight: 0.5
        })
      ])
      assert.deepInclude(configuration.keys[0], {
        role: "admin",
        user: "alice",
        team: "research",
        models: ["Größtes Modell"]
      })
      assert.deepStrictEqual(configuration.storage, {
        registry: { _tag: "Sqlite", filename: "/var/lib/x.db" },
        cache: "memory",
        content: { _tag: "Disk", directory: "/var/lib/blobs" }
      })
      const { current, previous } = configuration.secret
      assert.deepStrictEqual(
        [current, ...previous].map((secret) => (secret === null ? null : Redacted.value(secret))),
        ["0123456789abcdef", "fedcba9876543210"]
      )
      assert.deepStrictEqual(configuration.server, {
        host: "::",
        port: 0,
        maxBodySize: 1_048_576,
        forwardPaths: ["/videos"],
        shutdownTimeout: 60_000,
        log: { format: "json", level: "Warn" }
      })
      assert.deepStrictEqual(configuration.files, {
        onPartialFailure: "any",
        replicate: "targets",
        allowProviderIds: true,
        renewBefore: 300_000,
        prefetchWindow: 259_200_000,
        idempotencyTtl: 604_800_000,
        tombstoneTtl: 7_200_000,
        maxFileSize: 1_073_741_824
      })
    })
  )

  it.effect("takes an empty secret, and fields and sections without a value, for left out", () =>
    Effect.gen(function* () {
      const key = "key: client-1, role: , user: , team: "
      const { keys, secret, server } = yield* parse(text({ key, more: 'secret: ""\nserver:\nfiles: { replicate: }' }))
      assert.isNull(secret.current)
      assert.strictEqual(server.port, 4000)
      assert.deepInclude(keys[0], { role: "user", user: null, team: null })
    })
  )

  it.effect("derives IDs of deployments that are unique", () =>
    Effect.gen(function* () {
      const deployments = "{ account: main, model: a }, { id: x, account: main, model: b }, { account: main, model: c }"
      const configuration = yield* parse(text({ deployments }))
      assert.deepStrictEqual(
        configuration.deployments.map(({ id }) => id),
        ["gpt@main", "x", "gpt@main#2"]
      )
    })
  )

  it.effect("keeps no content when told so, and knows memory as a place", () =>
    Effect.gen(function* () {
      const { files, storage } = yield* parse(text({ more: 'storage: { registry: "memory:", content: none }' }))
      assert.deepStrictEqual(storage, { registry: { _tag: "Memory" }, cache: "memory", content: { _tag: "None" } })
      assert.strictEqual(files.keepContent, false)
    })
  )

  it.effect("keeps content in the database of the registry when told so", () =>
    Effect.gen(function* () {
      const more = 'secret: "0123456789abcdef"\nstorage: { registry: "postgres://host/db", content: "postgres:" }'
      assert.deepStrictEqual((yield* parse(text({ more }))).storage.content, { _tag: "Postgres" })
    })
  )

  it.effect("knows buckets, and keys that content is encrypted under", () =>
    Effect.gen(function* () {
      const secret = Buffer.alloc(32, 7).toString("base64")
      const { storage } = yield* parse(
        text({
          more: [
            "storage:",
            '  content: "s3://files/blobs/"',
            "  s3: { endpoint: 'http://127.0.0.1:9000', path_style: true, access_key_id: id, secret_access_key: pw }",
            `  encryption_keys: [{ id: "2026-11", secret: "${secret}" }]`
          ].join("\n")
        })
      )
      assert.deepStrictEqual(storage.content, { _tag: "S3", bucket: "files", prefix: "blobs/" })
      assert.strictEqual(storage.s3?.endpoint, "http://127.0.0.1:9000")
      assert.strictEqual(storage.s3?.credentials?.accessKeyId, "id")
      assert.notInclude(JSON.stringify(storage), "pw")
      const [key] = storage.encryptionKeys ?? assert.fail("there is no key")
      assert.deepStrictEqual(Redacted.value(key.secret), new Uint8Array(32).fill(7))
    })
  )

  it.effect("knows containers of Azure, and buckets of Google", () =>
    Effect.gen(function* () {
      const azure = yield* parse(
        text({
          more: [
            "storage:",
            '  content: "azblob://myaccount/files/blobs?endpoint=http://127.0.0.1:10000/myaccount"',
            "  azure: { account_key: c2VjcmV0, block_size: 4MiB }"
          ].join("\n")
        })
      )
      assert.deepStrictEqual(azure.storage.content, {
        _tag: "AzureBlob",
        account: "myaccount",
        container: "files",
        prefix: "blobs/",
        endpoint: "http://127.0.0.1:10000/myaccount"
      })
      assert.strictEqual(azure.storage.azure?.blockSize, 4 * 1024 * 1024)
      assert.strictEqual(azure.storage.azure?.credential._tag, "AccountKey")
      assert.notInclude(JSON.stringify(azure.storage), "c2VjcmV0")

      const google = yield* parse(text({ more: 'storage: { content: "gs://my_bucket", gcs: { key_file: key.json } }' }))
      assert.deepStrictEqual(google.storage.content, {
        _tag: "Gcs",
        bucket: "my_bucket",
        prefix: "",
        endpoint: undefined
      })
      assert.isTrue(google.storage.gcs?.keyFile?.endsWith("/key.json"))
    })
  )

  for (const [title, more, message] of [
    ["Azure without a credential", 'storage: { content: "azblob://account/files" }', "needs account_key or sas_token"],
    [
      "two credentials for Azure",
      "storage: { azure: { account_key: a, sas_token: b } }",
      "storage.azure.sas_token: is not for an account_key beside it"
    ],
    [
      "a container that is none",
      'storage: { content: "azblob://account", azure: { account_key: a } }',
      "must be azblob://ACCOUNT/CONTAINER/PREFIX"
    ],
    [
      "a parameter that is none",
      'storage: { content: "gs://bucket?endpont=http://localhost" }',
      "must be gs://BUCKET/PREFIX?endpoint=URL"
    ],
    ["half of a bucket's credentials", "storage: { s3: { access_key_id: id } }", "secret_access_key: is required"],
    ["a short key", 'storage: { encryption_keys: [{ id: a, secret: "c2hvcnQ=" }] }', "must be 32 bytes in base64"],
    [
      "content in the database of a registry that is elsewhere",
      "storage: { content: 'postgres:' }",
      "storage.content: postgres: is the database of a registry in Postgres"
    ],
    ["credentials in a location", 'storage: { content: "s3://a:b@bucket" }', "credentials belong to storage.s3"]
  ] as const) {
    it.effect(`refuses ${title}`, () =>
      Effect.gen(function* () {
        assert.include((yield* Effect.flip(parse(text({ more })))).message, message)
      })
    )
  }

  it.effect("passes on places for which the program has backends of its own, redacted", () =>
    Effect.gen(function* () {
      const { storage } = yield* parse(text({ more: 'storage: { content: "s3://key:pw@bucket/prefix" }' }), {
        storageSchemes: ["s3"]
      })
      assert.ok(storage.content._tag === "Other")
      assert.strictEqual(storage.content.scheme, "s3")
      assert.strictEqual(Redacted.value(storage.content.url), "s3://key:pw@bucket/prefix")
    })
  )

  for (const host of ["localhost:4010", "api.localhost", "127.0.0.1:9", "127.8.0.1", "[::1]:4010"]) {
    it.effect(`allows plain http on ${host}`, () =>
      Effect.gen(function* () {
        const account = `id: main, provider: openai, api_key: k, base_url: "http://${host}/v1"`
        const { accounts } = yield* parse(text({ account }))
        assert.strictEqual(accounts[0]?.baseUrl, `http://${host}/v1`)
      })
    )
  }

  it.effect("allows plain http elsewhere only where the account says so", () =>
    Effect.gen(function* () {
      const account = 'id: main, provider: openai, api_key: k, base_url: "http://llm", allow_insecure_http: true'
      const { accounts } = yield* parse(text({ account }))
      assert.strictEqual(accounts[0]?.baseUrl, "http://llm")
    })
  )

  it.effect("reads the environment into texts, numbers and flags", () =>
    Effect.gen(function* () {
      const env = { PROVIDER_KEY: "sk-env", SERVER_PORT: "5000", RAW: "true", WEIGHT: "2.5", REGION: "eu" }
      const { accounts, deployments, files, server } = yield* parse(
        text({
          account: 'id: "${REGION}-main", provider: openai, api_key: "${PROVIDER_KEY}"',
          deployments: '{ account: eu-main, model: "${MODEL:-gpt-1}", weight: "${WEIGHT}" }',
          more: "server:\n  port: ${SERVER_PORT:-4000}\nfiles:\n  allow_provider_ids: ${RAW}"
        }),
        { env }
      )
      assert.deepStrictEqual(
        accounts.map(({ apiKey, id }) => [id, Redacted.value(apiKey)]),
        [["eu-main", "sk-env"]]
      )
      assert.deepInclude(deployments[0], { model: "gpt-1", weight: 2.5 })
      assert.strictEqual(server.port, 5000)
      assert.strictEqual(files.allowProviderIds, true)
    })
  )

  it.effect("lets PORT and HOST win, unless they are empty", () =>
    Effect.gen(function* () {
      const yaml = text({ more: "server: { host: 0.0.0.0, port: 5000 }" })
      const overridden = yield* parse(yaml, { env: { PORT: "6000", HOST: "::1" } })
      assert.deepInclude(overridden.server, { host: "::1", port: 6000 })
      const kept = yield* parse(yaml, { env: { PORT: "", HOST: "" } })
      assert.deepInclude(kept.server, { host: "0.0.0.0", port: 5000 })
    })
  )

  it.effect("understands anchors", () =>
    Effect.gen(function* () {
      const { accounts } = yield* parse(`
accounts:
  - { id: a, provider: openai, api_key: k, timeouts: &slow { connect: 30s } }
  - { id: b, provider: openai, api_key: k, timeouts: *slow }
models: [{ name: gpt, deployments: [{ account: a, model: m }] }]
keys: [{ key: k }]
`)
      assert.deepStrictEqual(
        accounts.map(({ policy }) => policy.connectTimeout),
        [30_000, 30_000]
      )
    })
  )

  it.effect("shows no secret when it is printed", () =>
    Effect.gen(function* () {
      const configuration = yield* parse(text({ more: "secret: 0123456789abcdef" }))
      const printed = inspect(configuration, { depth: 10 }) + JSON.stringify(configuration)
      for (const secret of ["sk-1", "client-1", "0123456789abcdef"]) assert.notInclude(printed, secret)
    })
  )
})
