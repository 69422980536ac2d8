import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { failure } from "@omnifile/testkit/host/checks"
import type { Emulator, JournalEntry, RouteName } from "@omnifile/testkit/OpenAIEmulator"
import { createHash, randomUUID } from "node:crypto"
import type OpenAI from "openai"
import { APIError, toFile } from "openai"
import { accounts, type Installation, install, type RunningGateway } from "./support/gateways.ts"

let installation: Installation
let here: RunningGateway
let there: RunningGateway

beforeAll(async () => {
  installation = await install({ instanceTtl: 600_000 })
  here = await installation.start()
  there = await installation.start()
})
afterAll(() => installation.close())

type Caller = "alice" | "bob"

const client = (caller: Caller): OpenAI => here[caller]
const emulator = (): Emulator => installation.emulator

type Job = OpenAI.FineTuning.FineTuningJob

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex")

/** JSONL that no other test has. */
const lines = (): string => `{"messages":[],"note":"${randomUUID()}"}\n`

const dataFile = async (caller: Caller, content = lines(), purpose: "fine-tune" | "user_data" = "fine-tune") =>
  client(caller).files.create({ purpose, file: await toFile(Buffer.from(content), "data.jsonl") })

const createJob = async (caller: Caller, request: Partial<OpenAI.FineTuning.JobCreateParams> = {}): Promise<Job> =>
  client(caller).fineTuning.jobs.create({
    model: "east",
    training_file: request.training_file ?? (await dataFile(caller)).id,
    ...request
  })

/** All jobs of the accounts make all their steps. */
const finish = (): void => {
  for (let step = 0; step < 3; step++) for (const account of accounts) emulator().advanceFineTuning(account)
}

const requests = (route: RouteName): ReadonlyArray<JournalEntry> =>
  emulator().journal.filter((entry) => entry.route === route)

const refused = async (call: Promise<unknown>, status: number): Promise<APIError> => {
  const error = await failure(call)
  assert.instanceOf(error, APIError, String(error))
  assert.strictEqual(error.status, status, error.message)
  return error
}

describe("fine-tuning", () => {
  it("goes from its files to its results under our IDs", async () => {
    const alice = client("alice")
    const [training, validation] = [lines(), lines()]
    const trainingFile = await dataFile("alice", training)
    const validationFile = await dataFile("alice", validation)
    const created = await createJob("alice", {
      training_file: trainingFile.id,
      validation_file: validationFile.id,
      suffix: "mine",
      metadata: { team: "research" }
    })
    assert.match(created.id, /^ftjob-/)
    assert.strictEqual(created.object, "fine_tuning.job")
    assert.strictEqual(created.model, "east")
    assert.deepStrictEqual([created.training_file, created.validation_file], [
      trainingFile.id,
      validationFile.id
    ] as Array<string | null>)
    assert.deepStrictEqual(created.metadata, { team: "research" })

    const sent = JSON.parse(requests("fine_tuning.create").at(-1)?.body ?? "{}") as Record<string, unknown>
    const copies = emulator().files("east")
    assert.strictEqual(sent["model"], "provider-east")
    assert.strictEqual(sent["suffix"], "mine")
    assert.strictEqual(sent["training_file"], copies.find((copy) => copy.sha256 === sha256(training))?.id)
    assert.strictEqual(sent["validation_file"], copies.find((copy) => copy.sha256 === sha256(validation))?.id)

    finish()
    const done = await alice.fineTuning.jobs.retrieve(created.id)
    assert.strictEqual(done.status, "succeeded")
    assert.strictEqual(done.id, created.id)
    assert.lengthOf(done.result_files, 1)
    const [resultId = ""] = done.result_files
    const result = await alice.files.retrieve(resultId)
    assert.strictEqual(result.purpose, "fine-tune-results")
    assert.strictEqual(result.filename, "step_metrics.csv")
    const text = await (await alice.files.content(resultId)).text()
    assert.strictEqual(text.length, result.bytes)
    assert.include(text, sha256(training))
    assert.include(text, sha256(validation))
    const listed = await alice.files.list({ purpose: "fine-tune-results" })
    assert.include(
      listed.data.map(({ id }) => id),
      resultId
    )
    await refused(client("bob").files.retrieve(resultId), 404)

    const asked = requests("fine_tuning.retrieve").length
    const again = await alice.fineTuning.jobs.retrieve(created.id)
    assert.deepStrictEqual({ ...again }, { ...done })
    assert.lengthOf(requests("fine_tuning.retrieve"), asked, "what has ended is answered from our own record")
  })

  it("gives the same result file to every poll of every instance, and none that was deleted", async () => {
    const alice = client("alice")
    const { id } = await createJob("alice")
    finish()
    const polls = await Promise.all(
      Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? here : there).alice.fineTuning.jobs.retrieve(id))
    )
    const results = new Set(polls.flatMap(({ result_files }) => result_files))
    assert.strictEqual(results.size, 1)
    const [resultId = ""] = results
    await alice.files.delete(resultId)
    await alice.fineTuning.jobs.retrieve(id)
    await refused(there.alice.files.retrieve(resultId), 404)
    const files = await alice.files.list({ purpose: "fine-tune-results" })
    assert.notInclude(
      files.data.map((file) => file.id),
      resultId
    )
  })

  it("makes results that every account can read on", async () => {
    const alice = client("alice")
    const { id } = await createJob("alice")
    finish()
    const [resultId = ""] = (await alice.fineTuning.jobs.retrieve(id)).result_files
    const digest = sha256(await (await alice.files.content(resultId)).text())
    const copiesIn = (account: string) =>
      emulator()
        .files(account)
        .filter((copy) => copy.sha256 === digest)
    const ask = (account: "east" | "west") =>
      alice.chat.completions.create({
        model: account,
        messages: [{ role: "user", content: [{ type: "file", file: { file_id: resultId } }] }]
      })
    for (const account of ["east", "west", "west"] as const) {
      const { choices } = await ask(account)
      assert.include(choices[0]?.message.content, digest.slice(0, 16))
    }
    assert.deepStrictEqual(
      copiesIn("west").map(({ filename, purpose }) => [filename, purpose]),
      [["step_metrics.csv", "user_data"]]
    )
    assert.lengthOf(copiesIn("east"), 1)
    // It is kept here now, and outlives the account that made it.
    for (const copy of copiesIn("east")) emulator().loseFile("east", copy.id)
    assert.strictEqual(sha256(await (await alice.files.content(resultId)).text()), digest)
    await alice.files.delete(resultId)
    assert.deepStrictEqual(copiesIn("west"), [])
  })

  it("shows events and checkpoints, page by page, under the job's own ID", async () => {
    const { jobs } = client("alice").fineTuning
    const { id } = await createJob("alice")
    finish()
    const messages: Array<string> = []
    for await (const event of jobs.listEvents(id, { limit: 2 })) messages.push(event.message)
    assert.lengthOf(messages, 6)
    assert.strictEqual(messages.at(-1), `Created fine-tuning job: ${id}`)
    const steps: Array<number> = []
    for await (const checkpoint of jobs.checkpoints.list(id, { limit: 1 })) {
      assert.strictEqual(checkpoint.fine_tuning_job_id, id)
      steps.push(checkpoint.step_number)
    }
    assert.deepStrictEqual(steps, [3, 2, 1])
    assert.strictEqual((await refused(jobs.listEvents(id, { limit: 0 }), 400)).param, "limit")
    assert.strictEqual((await refused(jobs.listEvents(id, { after: "ftevent-none" }), 400)).param, "after")
  })

  it("pauses, resumes and cancels, and passes a refusal on in our terms", async () => {
    const { jobs } = client("alice").fineTuning
    const { id } = await createJob("alice")
    await refused(jobs.pause(id), 400)
    emulator().advanceFineTuning("east")
    emulator().advanceFineTuning("east")
    assert.strictEqual((await jobs.pause(id)).status, "paused" as string)
    assert.strictEqual((await jobs.resume(id)).status, "queued")
    assert.strictEqual((await jobs.cancel(id)).status, "cancelled")
    assert.include((await refused(jobs.cancel(id), 400)).message, id)

    const other = await createJob("alice")
    finish()
    // The end is not known here yet.
    const error = await refused(jobs.cancel(other.id), 400)
    assert.include(error.message, `Job has already completed: ${other.id}`)
    await client("alice").files.delete(other.training_file)
  })

  it("is shown as it was last seen while the provider does not say, and cannot be changed meanwhile", async () => {
    const { jobs } = client("alice").fineTuning
    const { id } = await createJob("alice")
    const silent = emulator().fault({ account: "east", route: "fine_tuning.retrieve", kind: { status: 401 } })
    assert.strictEqual((await jobs.retrieve(id)).status, "validating_files")
    assert.strictEqual(silent.hits(), 1)
    silent.clear()

    const throttled = { status: 429, retryAfter: 40 }
    emulator().fault({ account: "east", route: "fine_tuning.cancel", times: 1, kind: throttled })
    assert.strictEqual((await refused(jobs.cancel(id), 429)).headers?.get("retry-after"), "40")
    emulator().fault({ account: "east", route: "fine_tuning.events", times: 1, kind: { status: 401 } })
    assert.include((await refused(jobs.listEvents(id), 502)).message, "east")
    assert.strictEqual((await jobs.cancel(id)).status, "cancelled")
  })

  it("lists what the caller has, newest first, and by metadata", async () => {
    const { jobs } = client("bob").fineTuning
    const training_file = (await dataFile("bob")).id
    const ids: Array<string> = []
    for (const kind of ["a", "b", "a"]) {
      ids.push((await createJob("bob", { model: "west", training_file, metadata: { kind } })).id)
    }
    const asked = emulator().journal.length
    const all: Array<string> = []
    for await (const job of jobs.list({ limit: 1 })) all.push(job.id)
    assert.deepStrictEqual(all, ids.toReversed())
    const chosen: Array<string> = []
    for await (const job of jobs.list({ limit: 1, metadata: { kind: "a" } })) chosen.push(job.id)
    assert.deepStrictEqual(chosen, [ids[2], ids[0]])
    assert.deepStrictEqual((await jobs.list({ metadata: { kind: "a", more: "b" } })).data, [])
    assert.lengthOf(emulator().journal, asked, "a list asks no provider")

    const foreign = await createJob("alice")
    for (const after of [foreign.id, "ftjob-none"]) {
      assert.strictEqual((await refused(jobs.list({ after }), 400)).param, "after")
    }
    for (const limit of [0, 101]) assert.strictEqual((await refused(jobs.list({ limit }), 400)).param, "limit")
  })

  it("fails in our terms when the data are of no use", async () => {
    const training_file = (await dataFile("alice", "this is no JSONL")).id
    const { id } = await createJob("alice", { training_file })
    finish()
    const failed = await client("alice").fineTuning.jobs.retrieve(id)
    assert.strictEqual(failed.status, "failed")
    assert.strictEqual(failed.error?.message, `The file ${training_file} is no valid JSONL.`)
  })
})

describe("a request for fine-tuning", () => {
  it.each(["training_file", "validation_file"] as const)(
    "with somebody else's %s reaches no provider",
    async (field) => {
      const mine = await dataFile("alice")
      const theirs = await dataFile("bob")
      const { journal } = emulator()
      const before = journal.length
      const request = { training_file: mine.id, [field]: theirs.id }
      const error = await refused(createJob("alice", request), 404)
      assert.strictEqual(error.param, field)
      const unknown = await refused(createJob("alice", { ...request, [field]: `${theirs.id.slice(0, -2)}xx` }), 404)
      assert.strictEqual(unknown.message.replace(/file-\S+/, ""), error.message.replace(/file-\S+/, ""))
      assert.lengthOf(journal, before)
    }
  )

  it("names what is missing or wrong", async () => {
    const training_file = (await dataFile("alice")).id
    const other = await dataFile("alice", lines(), "user_data")
    const { journal } = emulator()
    const before = journal.length
    const wrong: ReadonlyArray<readonly [body: Record<string, unknown>, status: number, param: string]> = [
      [{ training_file }, 400, "model"],
      [{ model: "east" }, 400, "training_file"],
      [{ model: "east", training_file: 7 }, 400, "training_file"],
      [{ model: "east", training_file: other.id }, 400, "training_file"],
      [{ model: "east", training_file, validation_file: other.id }, 400, "validation_file"],
      [{ model: "east", training_file, metadata: [] }, 400, "metadata"],
      [{ model: "no-such-model", training_file }, 404, "model"]
    ]
    for (const [body, status, param] of wrong) {
      const call = client("alice").fineTuning.jobs.create(body as unknown as OpenAI.FineTuning.JobCreateParams)
      assert.strictEqual((await refused(call, status)).param, param, JSON.stringify(body))
    }
    assert.deepStrictEqual(
      journal.slice(before).filter(({ route }) => route === "fine_tuning.create"),
      []
    )
  })

  it("that the provider refuses leaves nothing behind and says why", async () => {
    const training_file = (await dataFile("alice")).id
    const body = {
      error: { message: "No more jobs for you.", type: "invalid_request_error", param: "seed", code: "x" }
    }
    emulator().fault({ account: "east", route: "fine_tuning.create", times: 1, kind: { status: 400, body } })
    const error = await refused(createJob("alice", { training_file }), 400)
    assert.deepStrictEqual([error.message, error.param, error.code], ["400 No more jobs for you.", "seed", "x"])
    await client("alice").files.delete(training_file)
  })

  it("is made with a new copy when the provider has lost the one that there was", async () => {
    const training = lines()
    const training_file = (await dataFile("alice", training)).id
    await createJob("alice", { training_file })
    const copies = () =>
      emulator()
        .files("east")
        .filter((copy) => copy.sha256 === sha256(training))
    const [lost] = copies()
    emulator().loseFile("east", lost?.id ?? "")
    const job = await createJob("alice", { training_file })
    assert.strictEqual(job.training_file, training_file)
    assert.lengthOf(copies(), 1)
    assert.notStrictEqual(copies()[0]?.id, lost?.id)
  })

  it("goes to the next account when one fails, and never twice when it may have been taken", async () => {
    const training_file = (await dataFile("alice")).id
    const made = (): number => requests("fine_tuning.create").filter(({ status }) => status === 200).length
    const before = made()
    const broken = emulator().fault({ route: "fine_tuning.create", times: 1, kind: { status: 500 } })
    const job = await createJob("alice", { model: "both", training_file })
    assert.strictEqual(broken.hits(), 1)
    assert.strictEqual(made(), before + 1)
    finish()
    assert.strictEqual((await client("alice").fineTuning.jobs.retrieve(job.id)).status, "succeeded")

    const unclear = emulator().fault({ route: "fine_tuning.create", times: 1, kind: { acceptThenCut: true } })
    const silent = emulator().fault({ route: "fine_tuning.list", kind: { status: 400 } })
    const asked = requests("fine_tuning.create").length
    await refused(createJob("alice", { model: "both", training_file }), 502)
    silent.clear()
    assert.strictEqual(unclear.hits(), 1)
    assert.lengthOf(requests("fine_tuning.create"), asked + 1)
  })

  it("under an Idempotency-Key makes one job", async () => {
    const { jobs } = client("alice").fineTuning
    const body = { model: "east", training_file: (await dataFile("alice")).id }
    const options = { headers: { "Idempotency-Key": randomUUID() } }
    const before = requests("fine_tuning.create").length
    const all = await Promise.all(Array.from({ length: 5 }, () => jobs.create(body, options)))
    assert.lengthOf(new Set(all.map(({ id }) => id)), 1)
    assert.lengthOf(requests("fine_tuning.create"), before + 1)
    await refused(jobs.create({ ...body, suffix: "other" }, options), 409)

    const fresh = { headers: { "Idempotency-Key": randomUUID() } }
    await refused(jobs.create({ ...body, model: "no-such-model" }, fresh), 404)
    await jobs.create(body, fresh)
  })
})

describe("a fine-tuning job of somebody else", () => {
  it("is as one that does not exist, in every operation", async () => {
    const { id } = await createJob("alice")
    const { jobs } = client("bob").fineTuning
    const { journal } = emulator()
    const before = journal.length
    const operations: ReadonlyArray<(id: string) => Promise<unknown>> = [
      (job) => jobs.retrieve(job),
      (job) => jobs.cancel(job),
      (job) => jobs.pause(job),
      (job) => jobs.resume(job),
      (job) => jobs.listEvents(job),
      (job) => jobs.checkpoints.list(job)
    ]
    for (const operation of operations) {
      const foreign = await refused(operation(id), 404)
      const unknown = await refused(operation("ftjob-none"), 404)
      assert.strictEqual(foreign.message.replace(id, "it"), unknown.message.replace("ftjob-none", "it"))
      await refused(operation(id.replace("ftjob-", "batch_")), 404)
    }
    assert.lengthOf(journal, before)
  })
})

describe("a file that a fine-tuning job reads", () => {
  it("cannot be deleted until a look at the job has seen its end", async () => {
    const alice = client("alice")
    const training = await dataFile("alice")
    const validation = await dataFile("alice")
    const job = await createJob("alice", { training_file: training.id, validation_file: validation.id })
    for (const { id } of [training, validation]) {
      const error = await refused(alice.files.delete(id), 409)
      assert.strictEqual(error.code, "file_in_use")
      assert.include(error.message, job.id)
      assert.strictEqual((await alice.files.retrieve(id)).id, id)
    }
    finish()
    await refused(alice.files.delete(training.id), 409)
    await alice.fineTuning.jobs.retrieve(job.id)
    for (const { id } of [training, validation]) assert.isTrue((await alice.files.delete(id)).deleted)
  })

  it("can be deleted once the job is cancelled", async () => {
    const alice = client("alice")
    const job = await createJob("alice")
    await refused(alice.files.delete(job.training_file), 409)
    await alice.fineTuning.jobs.cancel(job.id)
    assert.isTrue((await alice.files.delete(job.training_file)).deleted)
  })

  it("names several jobs", async () => {
    const training_file = (await dataFile("alice")).id
    const jobs = [await createJob("alice", { training_file }), await createJob("alice", { training_file })]
    const { message } = await refused(client("alice").files.delete(training_file), 409)
    for (const { id } of jobs) assert.include(message, id)
  })
})
