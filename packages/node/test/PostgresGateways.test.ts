import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import * as Redacted from "effect/Redacted"
import { randomUUID } from "node:crypto"
import OpenAI, { toFile } from "openai"
import { install, type Installation, type RunningGateway } from "./support/gateways.ts"

const postgres = inject("postgres")

/** Several calls at the same moment, half of them to each of the gateways. */
const crowd = 12

describe.skipIf("missing" in postgres)("gateways on one Postgres", () => {
  let installation: Installation
  let gateways: ReadonlyArray<RunningGateway> = []

  beforeAll(async () => {
    if ("missing" in postgres) throw new Error(postgres.missing)
    const url = Redacted.make(`${postgres.url}?schema=gateways_${randomUUID().replaceAll("-", "")}`)
    installation = await install({}, { _tag: "Postgres", url }, { _tag: "Postgres" })
    // They find no tables, both at once.
    gateways = await Promise.all([installation.start(), installation.start(), installation.start()])
  })
  afterAll(() => installation?.close())

  const gateway = (index: number): RunningGateway => {
    const chosen = gateways[index % gateways.length]
    if (chosen === undefined) throw new Error("the gateways have not started yet")
    return chosen
  }

  const upload = (client: OpenAI, model: string, options: { readonly headers?: Record<string, string> } = {}) =>
    toFile(Buffer.from(`content for ${model}`), "shared.txt").then((file) =>
      client.files.create({ file, purpose: "user_data", target_model_names: model } as OpenAI.FileCreateParams, options)
    )

  const statusOf = (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => 200,
      (error: unknown) => (error instanceof OpenAI.APIError ? error.status : error)
    )

  const uploadsTo = (account: string): number =>
    installation.emulator.journal.filter((entry) => entry.account === account && entry.upload !== undefined).length

  it("show a file to its owner on each of them, and to nobody else on any", async () => {
    const file = await upload(gateway(0).alice, "east")
    for (const index of gateways.keys()) {
      assert.strictEqual((await gateway(index).alice.files.retrieve(file.id)).id, file.id)
      assert.strictEqual(await statusOf(gateway(index).bob.files.retrieve(file.id)), 404)
      const listed = (await gateway(index).alice.files.list()).data.map(({ id }) => id)
      assert.include(listed, file.id)
      assert.notInclude(
        (await gateway(index).bob.files.list()).data.map(({ id }) => id),
        file.id
      )
    }
  })

  it("give the content that one of them was given, from the database that they share", async () => {
    const file = await upload(gateway(0).alice, "east")
    for (const index of gateways.keys()) {
      const answer = await gateway(index).alice.files.content(file.id)
      assert.strictEqual(await answer.text(), "content for east")
    }
  })

  it("make one copy of a file, however many calls need it at once", async () => {
    const file = await upload(gateway(0).alice, "east")
    const before = uploadsTo("west")
    const answers = await Promise.all(
      Array.from({ length: crowd }, (_, index) =>
        gateway(index).alice.chat.completions.create({
          model: "west",
          messages: [{ role: "user", content: [{ type: "file", file: { file_id: file.id } }] }]
        })
      )
    )
    assert.lengthOf(answers, crowd)
    assert.strictEqual(uploadsTo("west") - before, 1)
  })

  it("hold one Idempotency-Key together", async () => {
    const before = uploadsTo("east")
    const headers = { "idempotency-key": randomUUID() }
    const results = await Promise.allSettled(
      Array.from({ length: crowd }, (_, index) => upload(gateway(index).alice, "east", { headers }))
    )
    const ids = new Set(results.flatMap((result) => (result.status === "fulfilled" ? [result.value.id] : [])))
    assert.strictEqual(ids.size, 1)
    for (const result of results) if (result.status === "rejected") assert.propertyVal(result.reason, "status", 409)
    assert.strictEqual(uploadsTo("east") - before, 1)
  })

  it("all know that a file is gone, though each had it at hand", async () => {
    const file = await upload(gateway(0).alice, "east")
    for (const index of gateways.keys()) await gateway(index).alice.files.retrieve(file.id)
    await gateway(0).alice.files.delete(file.id)
    assert.strictEqual(await statusOf(gateway(0).alice.files.retrieve(file.id)), 404)
    for (const index of [1, 2]) {
      // Told within a second; lists ask the database itself.
      while ((await statusOf(gateway(index).alice.files.retrieve(file.id))) === 200);
      assert.strictEqual(await statusOf(gateway(index).alice.files.retrieve(file.id)), 404)
      assert.notInclude(
        (await gateway(index).alice.files.list()).data.map(({ id }) => id),
        file.id
      )
    }
  })
})
