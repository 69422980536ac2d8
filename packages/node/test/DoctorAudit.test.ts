import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { rm } from "node:fs/promises"
import OpenAI, { toFile } from "openai"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { Account } from "@omnifile/core/Account"
import type * as Audit from "@omnifile/core/Audit"
import type { Doctor } from "../src/CommandLine.ts"
import type { Configuration } from "../src/config/Configuration.ts"
import * as DoctorCommand from "../src/DoctorCommand.ts"
import { builtInProviders } from "../src/Providers.ts"
import { install, type Installation, type RunningGateway } from "./support/gateways.ts"

const hours = 60 * 60 * 1_000

const command: Doctor = { _tag: "Doctor", config: undefined, fix: false, account: undefined, json: true }

describe("the doctor's audit", () => {
  let installation: Installation
  let gateway: RunningGateway

  beforeEach(async () => {
    // Younger files may be on their way to a row.
    installation = await install({}, undefined, undefined, () => Date.now() - 2 * hours)
    gateway = await installation.start()
  })
  afterEach(() => installation.close())

  const examine = async (options: Partial<Doctor> = {}, configuration: Configuration = installation.configuration) => {
    const { exitCode, text } = await Effect.runPromise(
      DoctorCommand.examine({ ...command, ...options }, configuration, builtInProviders).pipe(
        Effect.provide(Logger.layer([]))
      )
    )
    assert.notInclude(text, "sk-east")
    return { exitCode, text, audit: () => (JSON.parse(text) as { readonly audit: Audit.Report }).audit }
  }

  const upload = async (): Promise<string> => {
    const file = await toFile(Buffer.from("kept in two places"), "kept.txt")
    const params = { file, purpose: "user_data", target_model_names: "both" } as OpenAI.FileCreateParams
    return (await gateway.alice.files.create(params)).id
  }

  const remoteOf = (account: string): string => {
    const [file] = installation.emulator.files(account)
    if (file === undefined) throw new Error(`nothing is on ${account}`)
    return file.id
  }

  const stray = async (account: string): Promise<string> => {
    const client = new OpenAI({ apiKey: `sk-${account}`, baseURL: installation.emulator.baseUrl, maxRetries: 0 })
    return (await client.files.create({ file: await toFile(Buffer.from("x"), "stray.txt"), purpose: "user_data" })).id
  }

  it("finds nothing where everything agrees", async () => {
    await upload()
    const { audit, exitCode, text } = await examine()
    assert.deepInclude(audit(), { orphans: [], lostCopies: [], lostContent: [] })
    assert.strictEqual(exitCode, 0, text)
    assert.include((await examine({ json: false })).text, "ok       files of east: agree with the registry (1 listed)")
  })

  it("finds files that no row owns, and deletes them from accounts that nobody else uses", async () => {
    const id = await upload()
    const orphan = await stray("east")
    const found = await examine()
    assert.strictEqual(found.exitCode, 1)
    assert.deepStrictEqual(
      found.audit().orphans.map(({ account, filename, outcome, remoteId }) => [account, filename, outcome, remoteId]),
      [["east", "stray.txt", "found", orphan]]
    )
    assert.lengthOf(installation.emulator.files("east"), 2)

    const { accounts } = installation.configuration
    const shared = accounts.map((account) => new Account({ ...account, exclusive: false }))
    const left = await examine({ fix: true }, { ...installation.configuration, accounts: shared })
    assert.strictEqual(left.audit().orphans[0]?.outcome, "left")
    assert.lengthOf(installation.emulator.files("east"), 2)

    assert.strictEqual((await examine({ fix: true })).audit().orphans[0]?.outcome, "deleted")
    assert.lengthOf(installation.emulator.files("east"), 1)
    assert.strictEqual((await examine()).exitCode, 0)
    assert.strictEqual((await gateway.alice.files.retrieve(id)).id, id)
  })

  it("leaves orphans alone while a job on the account may have made them", async () => {
    const lines = `${JSON.stringify({
      custom_id: "one",
      method: "POST",
      url: "/v1/chat/completions",
      body: { model: "east", messages: [{ role: "user", content: "hello" }] }
    })}\n`
    const input = await gateway.alice.files.create({
      file: await toFile(Buffer.from(lines), "lines.jsonl"),
      purpose: "batch"
    })
    await gateway.alice.batches.create({
      input_file_id: input.id,
      endpoint: "/v1/chat/completions",
      completion_window: "24h"
    })
    await stray("east")
    assert.deepStrictEqual(
      (await examine({ fix: true })).audit().orphans.map(({ outcome }) => outcome),
      ["left"]
    )
  })

  it("finds lost copies, which are then made again", async () => {
    const id = await upload()
    installation.emulator.loseFile("west", remoteOf("west"))
    const found = await examine()
    assert.strictEqual(found.exitCode, 1)
    assert.deepStrictEqual(found.audit().lostCopies, [{ account: "west", file: id, outcome: "found" }])
    assert.deepStrictEqual((await examine({ account: "east" })).audit().lostCopies, [])
    assert.strictEqual((await examine({ fix: true })).audit().lostCopies[0]?.outcome, "repaired")
    assert.strictEqual((await examine()).exitCode, 0)
    await gateway.alice.chat.completions.create({
      model: "west",
      messages: [{ role: "user", content: [{ type: "file", file: { file_id: id } }] }]
    })
    assert.lengthOf(installation.emulator.files("west"), 1)
  })

  it("finds content that is gone", async () => {
    const id = await upload()
    const { content } = installation.configuration.storage
    if (content._tag !== "Disk") throw new Error("content is not on the disk")
    await rm(content.directory, { recursive: true })
    assert.deepStrictEqual((await examine()).audit().lostContent, [{ file: id, outcome: "found" }])
    assert.deepStrictEqual((await examine({ fix: true })).audit().lostContent, [{ file: id, outcome: "repaired" }])
    assert.deepStrictEqual((await examine()).audit().lostContent, [])
  })

  it("infers nothing from a list that ended in an error, and names the account", async () => {
    await upload()
    installation.emulator.loseFile("west", remoteOf("west"))
    installation.emulator.fault({ account: "west", route: "files.list", kind: { status: 200, body: { data: "none" } } })
    const { audit, exitCode } = await examine({ fix: true })
    assert.deepStrictEqual(audit().lostCopies, [])
    assert.isString(audit().accounts.find(({ account }) => account === "west")?.error)
    assert.strictEqual(exitCode, 2)
  })

  it("knows only accounts that are configured", async () => {
    const error = await examine({ account: "nowhere" }).catch((cause: unknown) => cause)
    assert.instanceOf(error, Error)
    assert.include((error as Error).message, "nowhere")
  })
})
