import { Deployment } from "@omnifile/core/Account"
import type { Facade } from "@omnifile/core/Facade"
import { afterAll, afterEach, assert, beforeAll, describe, it, vi } from "@effect/vitest"
import { failure } from "@omnifile/testkit/host/checks"
import * as Installation from "@omnifile/testkit/host/Installation"
import * as WatchedStorage from "@omnifile/testkit/host/WatchedStorage"
import type { Emulator } from "@omnifile/testkit/OpenAIEmulator"
import type OpenAI from "openai"
import { Readable } from "node:stream"
import * as Open from "../src/Open.ts"

const alice = { user: "alice" }
const bob = { user: "bob" }

const tagOf = (error: unknown): unknown => (error as { readonly _tag?: unknown } | null)?._tag

describe("a program without a server", () => {
  let emulator: Emulator
  let omnifile: Facade
  beforeAll(async () => {
    emulator = await Installation.startEmulator()
    const { configuration, ...base } = Installation.make(emulator, WatchedStorage.make())
    const shared = ["alpha", "beta"].map(
      (account) => new Deployment({ id: `shared-${account}`, account, modelName: "shared", model: account, weight: 1 })
    )
    const deployments = [...configuration.deployments, ...shared]
    omnifile = await Open.openProgram({ ...base, configuration: { ...configuration, deployments } })
  })
  afterAll(async () => {
    await omnifile.close()
    await emulator.close()
  })
  afterEach(() => emulator.clearFaults())

  const upload = (text = "what a program has to say", filename = "said.txt") =>
    omnifile.files.create({ content: text, filename, models: [Installation.modelOf("alpha")] }, alice)

  const askAbout = (id: string, account: "alpha" | "beta" | "ticker", stream = false) => ({
    model: Installation.modelOf(account),
    messages: [{ role: "user", content: [{ type: "file", file: { file_id: id } }] }],
    stream
  })

  it("creates, finds, lists, reads and deletes files of whoever it says is calling", async () => {
    const file = await upload()
    assert.match(file.id, /^file-/)
    assert.deepInclude(file, { filename: "said.txt", bytes: 25, purpose: "user_data", contentType: "text/plain" })
    assert.deepStrictEqual(file.copies, [{ account: "alpha", state: "ready" }])
    assert.deepStrictEqual(await omnifile.files.retrieve(file.id, alice), file)
    const listed = await omnifile.files.list({ limit: 1 }, alice)
    assert.deepStrictEqual(listed.files, [file])
    const content = await omnifile.files.content(file.id, alice)
    assert.strictEqual(new TextDecoder().decode(content), "what a program has to say")
    assert.strictEqual(tagOf(await failure(omnifile.files.retrieve(file.id, bob))), "NotFound")
    assert.strictEqual(tagOf(await failure(omnifile.files.content(file.id, bob))), "NotFound")
    assert.strictEqual((await omnifile.files.retrieve(file.id)).id, file.id)
    await omnifile.files.delete(file.id, alice)
    assert.strictEqual(tagOf(await failure(omnifile.files.retrieve(file.id))), "NotFound")
  })

  it("is told what a provider calls its copy, which is made where there is none", async () => {
    const file = await upload()
    const here = emulator.files("alpha").at(-1) ?? assert.fail("there is no copy")
    const alpha = { account: "alpha", provider: "openai", reference: here.id, expiresAt: null }
    assert.deepStrictEqual(await omnifile.files.reference(file.id, "alpha", alice), alpha)
    const before = emulator.files("beta").length
    const { reference } = await omnifile.files.reference(file.id, "beta", alice)
    assert.strictEqual(emulator.files("beta").length, before + 1)
    assert.isTrue(emulator.files("beta").some(({ id }) => id === reference))
    assert.strictEqual(tagOf(await failure(omnifile.files.reference(file.id, "alpha", bob))), "NotFound")
    assert.strictEqual(tagOf(await failure(omnifile.files.reference(file.id, "nowhere"))), "InvalidRequest")
    emulator.fault({ account: "beta", route: "files.create", times: 1, kind: { status: 400 } })
    const other = await upload()
    assert.strictEqual(tagOf(await failure(omnifile.files.reference(other.id, "beta"))), "ProvidersFailed")
    await Promise.all([file, other].map(({ id }) => omnifile.files.delete(id)))
  })

  it("keeps the copy that it was told of, for a while, when the account is full", async () => {
    const [told, other] = [await upload("told"), await upload("other")]
    const there = () => emulator.files("alpha").map(({ id }) => id)
    const copyOfOther = there().at(-1) ?? assert.fail("there is no copy")
    try {
      vi.setSystemTime(Date.now() + 3 * 3_600_000)
      const { reference } = await omnifile.files.reference(told.id, "alpha", alice)
      emulator.setQuota("alpha", { files: there().length })
      const third = await upload("third")
      assert.include(there(), reference)
      assert.notInclude(there(), copyOfOther)
      await Promise.all([told, other, third].map(({ id }) => omnifile.files.delete(id)))
    } finally {
      vi.useRealTimers()
      emulator.setQuota("alpha", {})
    }
  })

  it("takes content as bytes and as a stream, and refuses names that are none", async () => {
    const content = Readable.from([Buffer.from("in "), Buffer.from("parts")])
    const file = await omnifile.files.create({ content, filename: "parts.txt", idempotencyKey: "once" })
    assert.strictEqual(file.bytes, 8)
    const again = { content: Buffer.from("in parts"), filename: "parts.txt", idempotencyKey: "once" }
    assert.strictEqual((await omnifile.files.create(again)).id, file.id)
    for (const filename of ["", "a/b", "a\r\nb"]) {
      const refused = failure(omnifile.files.create({ content: "x", filename }))
      assert.strictEqual(tagOf(await refused), "InvalidRequest")
    }
  })

  it("takes a file in parts that come side by side, in the order that it is told at the end", async () => {
    const { uploads } = omnifile
    const announced = { filename: "long.txt", bytes: 11, contentType: "text/plain", models: ["shared"] }
    const begun = await uploads.create(announced, alice)
    assert.match(begun.id, /^upload_/)
    assert.deepInclude(begun, { filename: "long.txt", bytes: 11, status: "pending", file: null })
    const first = { upload: begun.id, content: "hello ", idempotencyKey: "first" }
    const [end, start] = await Promise.all([
      uploads.addPart({ upload: begun.id, content: Readable.from([Buffer.from("wor"), Buffer.from("ld")]) }, alice),
      uploads.addPart(first, alice)
    ])
    assert.deepStrictEqual(await uploads.addPart(first, alice), start)
    assert.strictEqual(tagOf(await failure(uploads.addPart(first, bob))), "NotFound")
    const parts = [start.id, end.id]
    const wrong = { upload: begun.id, parts, md5: "0".repeat(32) }
    assert.strictEqual(tagOf(await failure(uploads.complete(wrong, alice))), "InvalidRequest")
    const whole = { upload: begun.id, parts, md5: "5EB63BBBE01EEED093CB22BB8F5ACDC3" }
    const { file, status } = await uploads.complete(whole, alice)
    assert.strictEqual(status, "completed")
    assert.deepInclude(file, { filename: "long.txt", bytes: 11, purpose: "user_data" })
    assert.sameMembers(file?.copies.map(({ account }) => account) ?? [], ["alpha", "beta"])
    const content = await omnifile.files.content(file?.id ?? "", alice)
    assert.strictEqual(new TextDecoder().decode(content), "hello world")
    await omnifile.files.delete(file?.id ?? "", alice)
  })

  it("gives up a file in parts, and refuses what could be none", async () => {
    const { uploads } = omnifile
    const { id } = await uploads.create({ filename: "never.txt", bytes: 1 }, alice)
    assert.strictEqual(tagOf(await failure(uploads.cancel(id, bob))), "NotFound")
    assert.strictEqual((await uploads.cancel(id, alice)).status, "cancelled")
    assert.strictEqual(tagOf(await failure(uploads.addPart({ upload: id, content: "x" }, alice))), "InvalidRequest")
    for (const wrong of [{ bytes: 0 }, { bytes: 1.5 }, { filename: "a/b" }, { models: ["unheard of"] }]) {
      const refused = failure(uploads.create({ filename: "a.txt", bytes: 1, ...wrong }, alice))
      assert.strictEqual(tagOf(await refused), "InvalidRequest")
    }
  })

  it("makes a body ready for a deployment, with its model name and its own file IDs", async () => {
    const { id } = await upload()
    const before = emulator.journal.filter(({ route }) => route === "chat").length
    const { account, body, deployment } = await omnifile.resolve<OpenAI.ChatCompletionCreateParams>(
      askAbout(id, "beta"),
      alice
    )
    assert.deepInclude({ ...account }, { id: "beta", apiKey: "sk-beta", baseUrl: emulator.baseUrl })
    assert.deepStrictEqual([deployment.id, body.model], ["model-beta-on-beta", "provider-beta"])
    const copy = JSON.stringify(body).match(/"file_id":"([^"]+)"/)?.[1] ?? ""
    assert.isTrue(emulator.files("beta").some((file) => file.id === copy))
    assert.strictEqual(emulator.journal.filter(({ route }) => route === "chat").length, before)
    assert.strictEqual(tagOf(await failure(omnifile.resolve(askAbout(id, "beta"), bob))), "NotFound")
    assert.strictEqual(tagOf(await failure(omnifile.resolve("{"))), "InvalidRequest")
  })

  it("calls a deployment, plain and streamed", async () => {
    const { id } = await upload()
    const answer = (await (await omnifile.chat(askAbout(id, "beta"), alice)).json()) as OpenAI.ChatCompletion
    assert.include(answer.choices[0]?.message.content ?? "", "File 1: said.txt, 25 bytes")
    const events = await omnifile.chat(JSON.stringify(askAbout(id, "beta", true)), alice)
    assert.match(events.headers.get("content-type") ?? "", /^text\/event-stream/)
    assert.match(await events.text(), /data: \[DONE\]\n\n$/)
  })

  it("gives up a provider's stream that nobody reads on", async () => {
    const { id } = await upload()
    const reader = (await omnifile.chat(askAbout(id, "ticker", true), alice)).body?.getReader()
    await reader?.read()
    await reader?.cancel()
    await emulator.waitFor(({ account, aborted }) => account === "ticker" && aborted)
  })

  it("has a handler of its own make the call, whose mistakes stay its own", async () => {
    const { id } = await upload()
    const answer = await omnifile.call<OpenAI.ChatCompletionCreateParams>(
      askAbout(id, "alpha"),
      ({ account, body }) => ({ answeredBy: account.id, model: body.model }),
      alice
    )
    assert.deepStrictEqual(await answer.json(), { answeredBy: "alpha", model: "provider-alpha" })
    const mistake = new TypeError("oops")
    const thrown = omnifile.call(askAbout(id, "alpha"), () => {
      throw mistake
    })
    assert.strictEqual(await failure(thrown), mistake)
    const failing = omnifile.call(askAbout(id, "alpha"), () => ({ status: 500, body: "down" }))
    assert.strictEqual(tagOf(await failure(failing)), "ProvidersFailed")
  })

  it("speaks Responses, whose answers it finds again", async () => {
    const { id } = await upload()
    const body = { model: Installation.modelOf("alpha"), input: [{ type: "input_file", file_id: id }] }
    const answer = (await (await omnifile.responses.create(body, alice)).json()) as { readonly id: string }
    assert.match(answer.id, /^resp_/)
    const next = await omnifile.resolve<{ readonly previous_response_id: string }>(
      { ...body, previous_response_id: answer.id },
      alice,
      "responses"
    )
    assert.strictEqual(next.account.id, "alpha")
    assert.notStrictEqual(next.body.previous_response_id, answer.id)
    const stolen = omnifile.resolve({ ...body, input: [], previous_response_id: answer.id }, bob, "responses")
    assert.strictEqual(tagOf(await failure(stolen)), "NotFound")
    const foreign = failure(omnifile.call(body, () => assert.fail("it was asked"), bob, "responses"))
    assert.strictEqual(tagOf(await foreign), "NotFound")
  })

  it("ends what follows its events when it is closed", async () => {
    const another = await Open.openProgram(Installation.make(emulator, WatchedStorage.make()))
    const events = another.events()[Symbol.asyncIterator]()
    const first = events.next()
    await another.files.create({ content: "x", filename: "x.txt" })
    assert.strictEqual((await first).value.type, "file.created")
    const told: Array<string> = []
    const rest = (async () => {
      for (let next = await events.next(); next.done !== true; next = await events.next()) told.push(next.value.type)
    })()
    await another.close()
    await rest
    assert.notInclude(told, "file.created")
  })

  it("runs batches, and hears of it", async () => {
    const line = {
      custom_id: "one",
      method: "POST",
      url: "/v1/chat/completions",
      body: { model: Installation.modelOf("alpha"), messages: [{ role: "user", content: "hello" }] }
    }
    const events = omnifile.events()[Symbol.asyncIterator]()
    const first = events.next()
    const input = { content: JSON.stringify(line), filename: "in.jsonl", purpose: "batch" as const }
    const inputFile = (await omnifile.files.create(input, alice)).id
    const batch = await omnifile.batches.create({ inputFile, endpoint: "/v1/chat/completions" }, alice)
    const id = String(batch["id"])
    assert.match(id, /^batch_/)
    assert.strictEqual(batch["input_file_id"], inputFile)
    assert.strictEqual(tagOf(await failure(omnifile.batches.retrieve(id, bob))), "NotFound")
    let ended = batch
    while (ended["status"] !== "completed") {
      emulator.advanceBatches("alpha")
      ended = await omnifile.batches.retrieve(id, alice)
    }
    const output = await omnifile.files.content(String(ended["output_file_id"]), alice)
    assert.include(new TextDecoder().decode(output), '"custom_id":"one"')
    const listed = await omnifile.batches.list({ limit: 1 }, alice)
    assert.deepStrictEqual(
      listed.jobs.map((each) => each["id"]),
      [id]
    )
    assert.strictEqual(tagOf(await failure(omnifile.batches.cancel(id, bob))), "NotFound")
    const types: Array<string> = []
    for (let next = await first; next.done !== true; next = await events.next()) {
      types.push(next.value.type)
      if (next.value.type === "batch.completed") break
    }
    await events.return?.()
    assert.strictEqual(types[0], "file.created")
    assert.includeMembers(types, ["batch.created", "batch.completed"])
  })

  it("has the lines of a batch run on all deployments of their model", async () => {
    const lines = ["1", "2", "3", "4"].map((custom_id) =>
      JSON.stringify({
        custom_id,
        method: "POST",
        url: "/v1/chat/completions",
        body: { model: "shared", messages: [{ role: "user", content: custom_id }] }
      })
    )
    const input = { content: lines.join("\n"), filename: "split.jsonl", purpose: "batch" as const }
    const { id: inputFile } = await omnifile.files.create(input, alice)
    const batches = () => ["alpha", "beta"].map((account) => emulator.batches(account).length)
    const before = batches()
    const request = { inputFile, endpoint: "/v1/chat/completions", split: true }
    const { id } = await omnifile.batches.create(request, alice)
    assert.deepStrictEqual(
      batches(),
      before.map((count) => count + 1)
    )
    assert.strictEqual((await omnifile.batches.cancel(String(id), alice))["status"], "cancelling")
  })

  it("runs fine-tuning jobs", async () => {
    const line = {
      messages: [
        { role: "user", content: "hi" },
        { role: "assistant", content: "hello" }
      ]
    }
    const content = Array.from({ length: 10 }, () => JSON.stringify(line)).join("\n")
    const { id: trainingFile } = await omnifile.files.create(
      { content, filename: "t.jsonl", purpose: "fine-tune" },
      alice
    )
    const job = { model: Installation.modelOf("alpha"), trainingFile, options: { seed: 7 } }
    const created = await omnifile.fineTuning.create(job, alice)
    assert.deepInclude(created, { training_file: trainingFile, model: job.model, seed: 7 })
    const id = String(created["id"])
    assert.strictEqual((await omnifile.fineTuning.retrieve(id, alice))["id"], id)
    assert.strictEqual(tagOf(await failure(omnifile.fineTuning.retrieve(id, bob))), "NotFound")
    assert.strictEqual(tagOf(await failure(omnifile.fineTuning.create(job, bob))), "NotFound")
    const { objects } = await omnifile.fineTuning.events(id, { limit: 1 }, alice)
    assert.deepStrictEqual(
      objects.map(({ object }) => object),
      ["fine_tuning.job.event"]
    )
    assert.deepStrictEqual((await omnifile.fineTuning.checkpoints(id, {}, alice)).objects, [])
    assert.strictEqual(tagOf(await failure(omnifile.fineTuning.events(id, {}, bob))), "NotFound")
    emulator.advanceFineTuning("alpha")
    emulator.advanceFineTuning("alpha")
    assert.strictEqual((await omnifile.fineTuning.pause(id, alice))["status"], "paused")
    assert.notStrictEqual((await omnifile.fineTuning.resume(id, alice))["status"], "paused")
    assert.strictEqual((await omnifile.fineTuning.cancel(id, alice))["status"], "cancelled")
    assert.deepStrictEqual(
      (await omnifile.fineTuning.list({}, alice)).jobs.map((each) => each["id"]),
      [id]
    )
    assert.deepStrictEqual((await omnifile.fineTuning.list({}, bob)).jobs, [])
  })
})
