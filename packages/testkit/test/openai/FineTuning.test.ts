import { assert, describe, it } from "@effect/vitest"
import type OpenAI from "openai"
import { BadRequestError, NotFoundError, toFile } from "openai"
import { failure, sha256, start } from "./harness.ts"

const lines = Buffer.from('{"messages":[]}\n{"messages":[]}\n')

const data = async (client: OpenAI, content = lines, purpose: "fine-tune" | "user_data" = "fine-tune") =>
  client.files.create({ purpose, file: await toFile(content, "data.jsonl") })

describe("fine-tuning", () => {
  it("takes a job from its creation to its result file", async () => {
    const { client, emulator } = await start({ now: () => 1_700_000_000_000 })
    const training = await data(client)
    const validation = await data(client, Buffer.from('{"messages":[1]}'))
    const job = await client.fineTuning.jobs.create({
      model: "gpt-4o-mini",
      training_file: training.id,
      validation_file: validation.id,
      suffix: "mine",
      metadata: { team: "research" }
    })
    assert.match(job.id, /^ftjob-[A-Za-z0-9]{24}$/)
    assert.strictEqual(job.status, "validating_files")
    assert.deepStrictEqual([job.training_file, job.validation_file], [training.id, validation.id])
    assert.deepStrictEqual(job.metadata, { team: "research" })

    const seen: Array<string> = []
    for (let step = 0; step < 4; step++) {
      emulator.advanceFineTuning("alpha")
      seen.push((await client.fineTuning.jobs.retrieve(job.id)).status)
    }
    assert.deepStrictEqual(seen, ["queued", "running", "succeeded", "succeeded"])

    const done = await client.fineTuning.jobs.retrieve(job.id)
    assert.strictEqual(done.fine_tuned_model, `ft:gpt-4o-mini:emulated:mine:${job.id.slice(-8)}`)
    assert.strictEqual(done.trained_tokens, 8)
    assert.strictEqual(done.finished_at, 1_700_000_000)
    assert.lengthOf(done.result_files, 1)
    const [resultId = ""] = done.result_files
    assert.strictEqual((await client.files.retrieve(resultId)).purpose, "fine-tune-results")
    const result = await (await client.files.content(resultId)).text()
    assert.include(result, sha256(lines))
    assert.include(result, sha256(Buffer.from('{"messages":[1]}')))
  })

  it("pages events and checkpoints, newest first", async () => {
    const { client, emulator } = await start()
    const { id } = await client.fineTuning.jobs.create({ model: "gpt-4o-mini", training_file: (await data(client)).id })
    for (let step = 0; step < 3; step++) emulator.advanceFineTuning("alpha")

    const messages: Array<string> = []
    for await (const event of client.fineTuning.jobs.listEvents(id, { limit: 2 })) messages.push(event.message)
    assert.deepStrictEqual(messages, [
      "The job has successfully completed",
      "Step 3/3",
      "Step 2/3",
      "Step 1/3",
      "Fine-tuning job started",
      `Created fine-tuning job: ${id}`
    ])
    const steps: Array<number> = []
    for await (const checkpoint of client.fineTuning.jobs.checkpoints.list(id, { limit: 1 })) {
      assert.strictEqual(checkpoint.fine_tuning_job_id, id)
      steps.push(checkpoint.step_number)
    }
    assert.deepStrictEqual(steps, [3, 2, 1])
    const wrong = await failure(client.fineTuning.jobs.listEvents(id, { after: "ftevent-none" }))
    assert.instanceOf(wrong, BadRequestError)
    assert.strictEqual(wrong.param, "after")
  })

  it("pauses, resumes and cancels a job that has not ended", async () => {
    const { client, emulator } = await start()
    const { jobs } = client.fineTuning
    const { id } = await jobs.create({ model: "gpt-4o-mini", training_file: (await data(client)).id })
    assert.instanceOf(await failure(jobs.pause(id)), BadRequestError)
    emulator.advanceFineTuning("alpha")
    emulator.advanceFineTuning("alpha")
    assert.strictEqual((await jobs.pause(id)).status, "paused" as string)
    emulator.advanceFineTuning("alpha")
    assert.strictEqual((await jobs.retrieve(id)).status, "paused" as string)
    assert.strictEqual((await jobs.resume(id)).status, "queued")
    assert.strictEqual((await jobs.cancel(id)).status, "cancelled")
    assert.instanceOf(await failure(jobs.cancel(id)), BadRequestError)
  })

  it("lists newest first, and by metadata", async () => {
    const { client } = await start()
    const { jobs } = client.fineTuning
    const training_file = (await data(client)).id
    const ids: Array<string> = []
    for (const kind of ["a", "b", "a"]) {
      ids.push((await jobs.create({ model: "gpt-4o-mini", training_file, metadata: { kind } })).id)
    }
    const all: Array<string> = []
    for await (const job of jobs.list({ limit: 1 })) all.push(job.id)
    assert.deepStrictEqual(all, ids.toReversed())
    const chosen = await jobs.list({ metadata: { kind: "a" } })
    assert.deepStrictEqual(
      chosen.data.map(({ id }) => id),
      [ids[2], ids[0]]
    )
  })

  it("goes on whenever it is asked for, if that is wished", async () => {
    const { client, emulator } = await start()
    emulator.stepFineTuningWhenAsked("alpha")
    const { jobs } = client.fineTuning
    const { id } = await jobs.create({ model: "gpt-4o-mini", training_file: (await data(client)).id })
    const seen: Array<string> = []
    for (let ask = 0; ask < 4; ask++) seen.push((await jobs.retrieve(id)).status)
    assert.deepStrictEqual(seen, ["queued", "running", "succeeded", "succeeded"])
  })

  it("fails a job whose data are gone or no JSONL", async () => {
    const { client, emulator } = await start()
    const { jobs } = client.fineTuning
    const training_file = (await data(client)).id
    const lost = await data(client)
    const first = await jobs.create({ model: "gpt-4o-mini", training_file: lost.id })
    await client.files.delete(lost.id)
    const validation_file = (await data(client, Buffer.from("no json"))).id
    const second = await jobs.create({ model: "gpt-4o-mini", training_file, validation_file })
    emulator.advanceFineTuning("alpha")
    assert.strictEqual((await jobs.retrieve(first.id)).error?.param, "training_file")
    const failed = await jobs.retrieve(second.id)
    assert.strictEqual(failed.status, "failed")
    assert.strictEqual(failed.error?.param, "validation_file")
  })

  it("refuses what is wrong by its name", async () => {
    const { client, emulator } = await start({ accounts: [{ name: "alpha", key: "sk-alpha", models: ["small"] }] })
    const { jobs } = client.fineTuning
    const training_file = (await data(client)).id
    const other = await data(client, lines, "user_data")
    const body = { model: "small", training_file }
    const refusals: ReadonlyArray<readonly [Record<string, unknown>, string]> = [
      [{ training_file }, "model"],
      [{ model: "small" }, "training_file"],
      [{ ...body, model: "large" }, "model"],
      [{ ...body, training_file: "file-none" }, "training_file"],
      [{ ...body, training_file: other.id }, "training_file"],
      [{ ...body, validation_file: "file-none" }, "validation_file"],
      [{ ...body, metadata: { a: 1 } }, "metadata.a"],
      [{ ...body, metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, ""])) }, "metadata"]
    ]
    for (const [wrong, param] of refusals) {
      const error = await failure(jobs.create(wrong as unknown as OpenAI.FineTuning.JobCreateParams))
      assert.strictEqual(error.param, param)
    }
    assert.instanceOf(await failure(jobs.retrieve("ftjob-none")), NotFoundError)
    emulator.advanceFineTuning("alpha")
    assert.deepStrictEqual((await jobs.list()).data, [])
  })
})
