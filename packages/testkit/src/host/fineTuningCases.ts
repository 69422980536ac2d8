/** A host carries fine-tuning from its files to its results. */
import { assert, it } from "@effect/vitest"
import { toFile } from "openai"
import { refused } from "./checks.ts"
import { modelOf } from "./Installation.ts"
import type { RunningHost } from "./RunningHost.ts"

const dataFile = async ({ openai }: RunningHost): Promise<string> => {
  const file = await toFile(Buffer.from('{"messages":[]}\n'), "data.jsonl")
  return (await openai.files.create({ purpose: "fine-tune", file })).id
}

export const register = (host: () => RunningHost): void => {
  it("runs a fine-tuning job and keeps its data as long as that takes", async () => {
    const { call, emulator, openai } = host()
    const { jobs } = openai.fineTuning
    const training_file = await dataFile(host())
    const job = await jobs.create({ model: modelOf("beta"), training_file, metadata: { made: "by a host" } })
    assert.strictEqual(job.training_file, training_file)
    const conflict = await refused(await call(`/v1/files/${training_file}`, { method: "DELETE" }), 409)
    assert.include(conflict.message, job.id)
    const listed = await jobs.list({ metadata: { made: "by a host" } })
    assert.deepStrictEqual(
      listed.data.map(({ id }) => id),
      [job.id]
    )
    for (let step = 0; step < 3; step++) emulator.advanceFineTuning("beta")
    const { result_files } = await jobs.retrieve(job.id)
    const text = await (await openai.files.content(result_files[0] ?? "")).text()
    assert.match(text, /^step,train_loss\n/)
    assert.isTrue((await openai.files.delete(training_file)).deleted)
    const events: Array<string> = []
    for await (const event of jobs.listEvents(job.id, { limit: 4 })) events.push(event.message)
    assert.strictEqual(events.at(-1), `Created fine-tuning job: ${job.id}`)
  })

  it("refuses a fine-tuning job by the name of what is wrong", async () => {
    const { call } = host()
    const post = (body: unknown, type = "application/json") =>
      call("/v1/fine_tuning/jobs", { method: "POST", headers: { "content-type": type }, body: JSON.stringify(body) })
    const training_file = await dataFile(host())
    assert.strictEqual((await refused(await post({ training_file }), 400)).param, "model")
    const body = { model: modelOf("beta"), training_file: "file-none" }
    assert.strictEqual((await refused(await post(body), 404)).param, "training_file")
    await refused(await post([]), 400)
    await refused(await post(body, "text/plain"), 415)
    for (const path of ["", "/cancel", "/pause", "/resume"]) {
      const method = path === "" ? "GET" : "POST"
      await refused(await call(`/v1/fine_tuning/jobs/ftjob-none${path}`, { method }), 404)
    }
  })
}
