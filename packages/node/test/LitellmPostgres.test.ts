import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { createHash, randomUUID } from "node:crypto"
import OpenAI, { toFile } from "openai"
import type { ImportLitellm } from "../src/CommandLine.ts"
import * as ImportCommand from "../src/litellm/ImportCommand.ts"
import { builtInProviders } from "../src/Providers.ts"
import * as litellm from "./support/litellm.ts"
import { install, type Installation, keyOf, type RunningGateway } from "./support/gateways.ts"

const postgres = inject("postgres")

/** A deployment whose owner gave it no ID: LiteLLM derives one. */
const derived = createHash("sha256").update("a deployment of east").digest("hex")

const line = (model: string): string =>
  `${JSON.stringify({
    custom_id: "one",
    method: "POST",
    url: "/v1/chat/completions",
    body: { model, messages: [{ role: "user", content: "hello" }] }
  })}\n`

describe.skipIf("missing" in postgres)("rows of LiteLLM", () => {
  let database: litellm.LitellmDatabase
  let installation: Installation
  let gateway: RunningGateway
  const providers = new Map<string, OpenAI>()

  const url = (): string => {
    if ("missing" in postgres) throw new Error(postgres.missing)
    return postgres.url
  }

  const provider = (account: string): OpenAI => {
    const client = providers.get(account)
    if (client === undefined) throw new Error(`there is no account ${account}`)
    return client
  }

  const command: ImportLitellm = {
    _tag: "ImportLitellm",
    databaseUrl: "",
    litellmConfig: undefined,
    map: new Map([[derived, "east"]]),
    askAccounts: false,
    config: undefined,
    dryRun: false,
    json: false
  }

  const run = (options: Partial<ImportLitellm> = {}) =>
    Effect.runPromise(
      ImportCommand.run(
        { ...command, databaseUrl: database.url, ...options },
        installation.configuration,
        builtInProviders,
        {}
      ).pipe(Effect.provide(Logger.layer([])))
    )

  const at = async (account: string, content: string, filename: string, purpose: OpenAI.FilePurpose) =>
    provider(account).files.create({ file: await toFile(Buffer.from(content), filename), purpose })

  const statusOf = (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => 200,
      (error: unknown) => (error instanceof OpenAI.APIError ? error.status : error)
    )

  const chatWith = (client: OpenAI, model: string, id: string) =>
    client.chat.completions.create({
      model,
      messages: [{ role: "user", content: [{ type: "file", file: { file_id: id } }] }]
    })

  /** The unified IDs of what the database holds. */
  const known = {
    notes: "",
    first: "",
    second: "",
    lines: "",
    team: "",
    mine: "",
    stored: "",
    batch: "",
    running: "",
    job: ""
  }

  beforeAll(async () => {
    database = await litellm.make(url(), `litellm_${randomUUID().replaceAll("-", "")}`)
    installation = await install()
    for (const account of ["east", "west"]) {
      const { baseUrl } = installation.emulator
      providers.set(account, new OpenAI({ apiKey: `sk-${account}`, baseURL: baseUrl, maxRetries: 0 }))
    }
    const object = (file: OpenAI.FileObject) => ({ ...file })

    const notes = await at("east", "notes of alice", "notes.txt", "user_data")
    const twin = await at("east", "notes of alice", "notes.txt", "user_data")
    known.notes = litellm.ids.file(randomUUID(), "text/plain", "east,both", notes.id, derived)
    await database.addFile({
      unifiedId: known.notes,
      object: object(notes),
      // Two deployments of one account, each with a copy of its own, and one that nobody knows here.
      mappings: { [derived]: notes.id, east: twin.id, "of-another-time": "file-lost" },
      createdBy: "alice"
    })
    const first = await at("west", "an old one", "old.txt", "user_data")
    known.first = litellm.ids.firstGeneration(randomUUID(), "text/plain")
    await database.addFile({
      unifiedId: known.first,
      object: JSON.stringify(object(first)),
      mappings: { west: first.id },
      createdBy: "alice"
    })
    const second = await at("west", "a younger one", "younger.txt", "user_data")
    known.second = litellm.ids.secondGeneration(randomUUID(), "text/plain", "west")
    await database.addFile({ unifiedId: known.second, object: null, mappings: { west: second.id }, createdBy: "bob" })

    // The lines as LiteLLM has rewritten them: with the provider's own name for the model.
    const lines = await at("east", line("provider-east"), "modified_file.jsonl", "batch")
    known.lines = litellm.ids.file(randomUUID(), "application/jsonl", "east", lines.id, derived)
    await database.addFile({
      unifiedId: known.lines,
      object: object(lines),
      mappings: { [derived]: lines.id },
      createdBy: "alice"
    })
    const shared = await at("west", "of a team", "team.txt", "user_data")
    known.team = litellm.ids.file(randomUUID(), "text/plain", "west", shared.id, "west")
    await database.addFile({
      unifiedId: known.team,
      object: object(shared),
      mappings: { west: shared.id },
      team: "red"
    })
    const mine = await at("west", "of a key", "key.txt", "user_data")
    known.mine = litellm.ids.file(randomUUID(), "text/plain", "west", mine.id, "west")
    await database.addFile({
      unifiedId: known.mine,
      object: object(mine),
      mappings: { west: mine.id },
      createdBy: `key:${createHash("sha256").update(keyOf("alice")).digest("hex")}`
    })
    known.stored = litellm.ids.file(randomUUID(), "text/plain", "west", "file-0123456789abcdef01234567", "None")
    await database.addContent("c1", Buffer.from("kept by LiteLLM"))
    await database.addFile({
      unifiedId: known.stored,
      object: { filename: "stored.txt", purpose: "user_data", bytes: 15, created_at: 1_700_000_000 },
      mappings: { west: "litellm_db://c1" },
      storageBackend: "litellm_db",
      createdBy: "alice"
    })
    await database.addFile({
      unifiedId: litellm.ids.file(randomUUID(), "text/plain", "gone", "file-gone", "of-another-time"),
      object: null,
      mappings: { "of-another-time": "file-gone" },
      createdBy: "alice"
    })
    await database.addFile({
      unifiedId: litellm.ids.file(randomUUID(), "text/plain", "west", "file-cloud", "None"),
      object: null,
      mappings: { west: "https://account.blob.example/secret?sig=signed" },
      storageBackend: "azure_storage",
      createdBy: "alice"
    })

    const params = { endpoint: "/v1/chat/completions", completion_window: "24h" } as const
    const running = await provider("east").batches.create({ input_file_id: lines.id, ...params })
    known.running = litellm.ids.batch(derived, running.id)
    await database.addObject({
      unifiedId: known.running,
      remoteId: running.id,
      object: { ...running, input_file_id: known.lines, _hidden_params: { api_key: "sk-hidden" } },
      purpose: "batch",
      status: running.status,
      createdBy: "alice"
    })
    known.batch = litellm.ids.batch(derived, "batch_of_long_ago")
    await database.addObject({
      unifiedId: known.batch,
      remoteId: "batch_of_long_ago",
      object: { ...running, id: "batch_of_long_ago", status: "failed", input_file_id: known.lines },
      purpose: "batch",
      status: "failed",
      createdBy: "alice"
    })
    const job = await provider("east").fineTuning.jobs.create({
      model: "provider-east",
      training_file: (await at("east", `${line("x")}`, "train.jsonl", "fine-tune")).id
    })
    known.job = litellm.ids.job(derived, job.id)
    await database.addObject({
      unifiedId: known.job,
      remoteId: job.id,
      object: { ...job },
      purpose: "fine-tune",
      createdBy: "alice"
    })
    await database.addObject({
      unifiedId: `resp_${Buffer.from("litellm:custom_llm_provider:openai;model_id:east;response_id:resp_1").toString("base64")}`,
      remoteId: "resp_1",
      object: {},
      purpose: "response",
      createdBy: "alice"
    })
  })
  afterAll(async () => {
    await database?.close()
    await installation?.close()
  })

  it("are told of in a dry run, and nothing is changed", async () => {
    const report = await run({ dryRun: true })
    assert.deepStrictEqual(report.files, { imported: 7, present: 0, skipped: 2 })
    assert.deepStrictEqual(report.jobs, { imported: 3, present: 0, skipped: 1 })
    const again = await run({ dryRun: true })
    assert.deepStrictEqual(again, report)
  })

  it("are written once, whatever a second run meets", async () => {
    const before = await database.digest()
    const report = await run()
    assert.deepStrictEqual(report.files, { imported: 7, present: 0, skipped: 2 })
    assert.deepStrictEqual(report.jobs, { imported: 3, present: 0, skipped: 1 })
    gateway = await installation.start()
    await gateway.alice.files.retrieve(known.notes)
    const again = await run()
    assert.deepStrictEqual(again.files, { imported: 0, present: 7, skipped: 2 })
    assert.deepStrictEqual(again.jobs, { imported: 0, present: 3, skipped: 1 })
    assert.strictEqual(await database.digest(), before)
  })

  it("are told of without anything secret, and with what an operator has to do", async () => {
    const report = await run()
    for (const json of [false, true]) {
      const text = ImportCommand.toText(report, { ...command, json })
      for (const secret of ["sk-east", "sk-hidden", "sig=signed", "postgres://"]) assert.notInclude(text, secret)
      assert.include(text, "azure_storage")
    }
    const text = ImportCommand.toText(report, command)
    assert.include(text, "--map of-another-time=ACCOUNT")
    assert.match(text, new RegExp(`deployment ${derived} of east, both is on account east`))
    assert.match(text, /1 file left out, because none of its copies is on an account of ours: \d+/)
    assert.match(text, /1 job left out, because it is a stored response/)
  })

  it("answer under their old IDs, to their owners alone", async () => {
    const notes = await gateway.alice.files.retrieve(known.notes)
    assert.deepInclude(notes, { id: known.notes, filename: "notes.txt", bytes: 14, purpose: "user_data" })
    for (const id of [known.first, known.lines, known.stored]) {
      assert.strictEqual((await gateway.alice.files.retrieve(id)).id, id)
      assert.strictEqual(await statusOf(gateway.bob.files.retrieve(id)), 404)
    }
    assert.strictEqual((await gateway.bob.files.retrieve(known.second)).id, known.second)
    assert.strictEqual(await statusOf(gateway.alice.files.retrieve(known.second)), 404)
    for (const id of [known.team, known.mine]) {
      assert.strictEqual(await statusOf(gateway.alice.files.retrieve(id)), 404)
      assert.strictEqual((await gateway.admin.files.retrieve(id)).id, id)
    }
    const listed: Array<string> = []
    for await (const { id } of gateway.alice.files.list()) listed.push(id)
    assert.includeMembers(listed, [known.notes, known.first, known.lines, known.stored])
    assert.notInclude(listed, known.second)
  })

  it("go to the provider as its own IDs in calls", async () => {
    for (const [model, id] of [
      ["both", known.notes],
      ["west", known.first]
    ] as const) {
      const { choices } = await chatWith(gateway.alice, model, id)
      assert.isNotNull(choices[0]?.message.content)
    }
    assert.strictEqual(await statusOf(chatWith(gateway.bob, "west", known.first)), 404)
    const sent = installation.emulator.journal.filter(({ route }) => route === "chat").map(({ body }) => body ?? "")
    assert.isNotEmpty(sent)
    for (const body of sent) assert.notInclude(body, known.notes)
  })

  it("give their content out, from the provider or from LiteLLM's database, and go on to other accounts", async () => {
    assert.strictEqual(await (await gateway.alice.files.content(known.lines)).text(), line("provider-east"))
    assert.strictEqual(await (await gateway.alice.files.content(known.stored)).text(), "kept by LiteLLM")
    const { choices } = await chatWith(gateway.alice, "east", known.stored)
    assert.isNotNull(choices[0]?.message.content)
  })

  it("can be the input of a new batch", async () => {
    const batch = await gateway.alice.batches.create({
      input_file_id: known.lines,
      endpoint: "/v1/chat/completions",
      completion_window: "24h"
    })
    assert.strictEqual(batch.input_file_id, known.lines)
  })

  it("go on as jobs: what runs is followed to its end, and what is over stays", async () => {
    const params = { limit: 100 }
    const listed = (await gateway.alice.batches.list(params)).data.map(({ id }) => id)
    assert.includeMembers(listed, [known.running, known.batch])
    const old = await gateway.alice.batches.retrieve(known.batch)
    assert.deepInclude(old, { id: known.batch, status: "failed", input_file_id: known.lines })
    const running = await gateway.alice.batches.retrieve(known.running)
    assert.deepInclude(running, { id: known.running, input_file_id: known.lines })
    assert.notProperty(running, "_hidden_params")
    assert.strictEqual(await statusOf(gateway.alice.files.delete(known.lines)), 409)
    for (let step = 0; step < 3; step++) installation.emulator.advanceBatches("east")
    const done = await gateway.alice.batches.retrieve(known.running)
    assert.strictEqual(done.status, "completed")
    const output = done.output_file_id ?? ""
    assert.match(await (await gateway.alice.files.content(output)).text(), /"custom_id":"one"/)
    assert.strictEqual(await statusOf(gateway.bob.batches.retrieve(known.running)), 404)
    assert.strictEqual((await gateway.alice.fineTuning.jobs.retrieve(known.job)).id, known.job)
  })

  it("are deleted with every copy", async () => {
    const before = installation.emulator.files("east").length
    await gateway.alice.files.delete(known.notes)
    assert.strictEqual(await statusOf(gateway.alice.files.retrieve(known.notes)), 404)
    assert.strictEqual(installation.emulator.files("east").length, before - 2)
  })

  it("of the first version of the tables are read, too", async () => {
    const old = await litellm.make(url(), `litellm_${randomUUID().replaceAll("-", "")}`, litellm.firstVersion)
    const file = await at("west", "from the start", "start.txt", "user_data")
    const unifiedId = litellm.ids.firstGeneration(randomUUID(), "text/plain")
    await old.addFile({ unifiedId, object: { ...file }, mappings: { west: file.id } })
    const report = await run({ databaseUrl: old.url })
    assert.deepStrictEqual(report.files, { imported: 1, present: 0, skipped: 0 })
    // Nobody is named as its owner.
    assert.strictEqual((await gateway.admin.files.retrieve(unifiedId)).id, unifiedId)
    assert.strictEqual(await statusOf(gateway.alice.files.retrieve(unifiedId)), 404)
    await old.close()
  })

  it("find the accounts of their deployments at the providers, if these are asked", async () => {
    const other = await litellm.make(url(), `litellm_${randomUUID().replaceAll("-", "")}`)
    const there = await at("west", "somewhere", "somewhere.txt", "user_data")
    const gone = "file-that-nobody-has"
    const unifiedId = litellm.ids.file(randomUUID(), "text/plain", "x", there.id, "made-up")
    await other.addFile({ unifiedId, object: { ...there }, mappings: { "made-up": there.id, nowhere: gone } })
    const silent = await run({ databaseUrl: other.url, dryRun: true })
    assert.strictEqual(silent.files.skipped, 1)
    const { deployments, files } = await run({ databaseUrl: other.url, askAccounts: true, dryRun: true })
    assert.deepStrictEqual(files, { imported: 1, present: 0, skipped: 0 })
    assert.deepStrictEqual(
      new Map(deployments.map(({ account, id }) => [id, account])),
      new Map([
        ["made-up", "west"],
        ["nowhere", null]
      ])
    )
    await other.close()
  })

  it("are not to be had from a database of somebody else, whose password is not told", async () => {
    const message = async (databaseUrl: string): Promise<string> => {
      const result = await run({ databaseUrl }).catch((error: unknown) => error)
      return result instanceof Error ? result.message : ""
    }
    assert.include(await message(`${url()}?schema=pg_catalog`), "LiteLLM_ManagedFileTable")
    assert.notInclude(await message("postgres://who:hidden-password@127.0.0.1:1/nowhere"), "hidden-password")
    assert.notInclude(await message("mysql://who:hidden-password@127.0.0.1/db"), "hidden-password")
  })
})
