import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { type OpenAI, toFile } from "openai"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import type * as Erasure from "@omnifile/core/Erasure"
import type { Erase } from "../src/CommandLine.ts"
import * as EraseCommand from "../src/EraseCommand.ts"
import { install, type Installation, keyOf, type RunningGateway } from "./support/gateways.ts"

const command: Erase = { _tag: "Erase", user: "alice", config: undefined, dryRun: false, json: true }

const line = `${JSON.stringify({
  custom_id: "one",
  method: "POST",
  url: "/v1/chat/completions",
  body: { model: "east", messages: [{ role: "user", content: "hello" }] }
})}\n`

describe("erasing a user", () => {
  let installation: Installation
  let gateway: RunningGateway

  beforeEach(async () => {
    installation = await install()
    gateway = await installation.start()
  })
  afterEach(() => installation.close())

  const erase = async (options: Partial<Erase> = {}) => {
    const { exitCode, text } = await Effect.runPromise(
      EraseCommand.erase({ ...command, ...options }, installation.configuration).pipe(Effect.provide(Logger.layer([])))
    )
    return { exitCode, text, report: () => JSON.parse(text) as Erasure.Report }
  }

  const upload = async (client: OpenAI, model = "both"): Promise<string> => {
    const file = await toFile(Buffer.from("somebody's own"), "own.txt")
    const params = { file, purpose: "user_data", target_model_names: model } as OpenAI.FileCreateParams
    return (await client.files.create(params)).id
  }

  const count = (): number => installation.emulator.files("east").length + installation.emulator.files("west").length

  it("takes every copy, and nothing of anybody else", async () => {
    const ids = [await upload(gateway.alice), await upload(gateway.alice, "east")]
    const other = await upload(gateway.bob)
    await gateway.alice.chat.completions.create({ model: "east", messages: [{ role: "user", content: "hello" }] })
    await gateway.bob.chat.completions.create({ model: "east", messages: [{ role: "user", content: "hello" }] })
    const response = await gateway.alice.responses.create({ model: "west", input: "hello" })
    await gateway.alice.uploads.create({ bytes: 4, filename: "u.txt", mime_type: "text/plain", purpose: "user_data" })
    // Usage is written within a second, and when a server ends.
    await gateway.stop()

    const before = count()
    const dry = await erase({ dryRun: true })
    assert.strictEqual(dry.exitCode, 0)
    assert.deepStrictEqual(
      dry.report().files.map(({ id, outcome }) => [id, outcome]),
      ids.map((id) => [id, "found"])
    )
    assert.strictEqual(count(), before)
    assert.include((await erase({ dryRun: true, json: false })).text, "would be erased")

    const { exitCode, report } = await erase()
    assert.strictEqual(exitCode, 0)
    assert.isTrue(report().complete)
    const copies = report().files.map((file) =>
      file.copies.map(({ account, outcome }) => `${account} ${outcome}`).sort()
    )
    assert.deepStrictEqual(copies, [["east erased", "west erased"], ["east erased"]])
    assert.deepStrictEqual(
      report().jobs.map(({ id, outcome }) => [id, outcome]),
      [[response.id, "erased"]]
    )
    assert.strictEqual(report().uploads, 1)
    assert.isAtLeast(report().usage, 1)
    assert.strictEqual(count(), 2)

    const again = await erase()
    assert.deepInclude(again.report(), { files: [], jobs: [], uploads: 0, usage: 0, complete: true })
    gateway = await installation.start()
    assert.strictEqual((await gateway.bob.files.retrieve(other)).id, other)
    const used = await fetch(`${gateway.url}/v1/usage?group_by=user`, {
      headers: { authorization: `Bearer ${keyOf("admin")}` }
    })
    const told = await used.text()
    assert.strictEqual(used.status, 200)
    assert.notInclude(told, "alice")
    assert.include(told, "bob")
  })

  it("leaves what an unfinished job needs, says so, and takes it when the job is over", async () => {
    const input = await gateway.alice.files.create({
      file: await toFile(Buffer.from(line), "lines.jsonl"),
      purpose: "batch"
    })
    const batch = await gateway.alice.batches.create({
      input_file_id: input.id,
      endpoint: "/v1/chat/completions",
      completion_window: "24h"
    })
    await gateway.stop()
    const first = await erase()
    assert.strictEqual(first.exitCode, 1)
    assert.deepInclude(first.report(), { complete: false })
    assert.deepStrictEqual(
      [...first.report().jobs, ...first.report().files].map(({ id, outcome }) => [id, outcome]),
      [
        [batch.id, "left"],
        [input.id, "left"]
      ]
    )
    for (let step = 0; step < 4; step++) installation.emulator.advanceBatches("east")
    const second = await erase()
    assert.strictEqual(second.exitCode, 0, second.text)
    assert.strictEqual(count(), 0)
  })

  it("tells of a copy that could not be deleted yet", async () => {
    const id = await upload(gateway.alice)
    await gateway.stop()
    const fault = installation.emulator.fault({ account: "west", route: "files.delete", kind: { status: 500 } })
    const { exitCode, report } = await erase()
    assert.strictEqual(exitCode, 1)
    assert.deepInclude(report().files[0], { id, outcome: "pending" })
    assert.deepStrictEqual(
      new Map(report().files[0]?.copies.map(({ account, outcome }) => [account, outcome])),
      new Map([
        ["east", "erased"],
        ["west", "pending"]
      ])
    )
    fault.clear()
  })
})
