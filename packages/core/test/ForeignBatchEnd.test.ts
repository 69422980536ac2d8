/** How batches in another form end: by whom, and when what was remembered of them is lost. */
import { assert, describe, it } from "@effect/vitest"
import { type ForeignBatches, type ForeignJob, markKey } from "@omnifile/core/ForeignBatches"
import { inputKey, ledgerKey } from "@omnifile/core/ForeignBatchLedger"
import { isObject, type JsonObject, parseObject } from "@omnifile/core/Json"
import type { Provider, ProviderCall } from "@omnifile/core/Provider"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { encode } from "./support/FakeProvider.ts"
import { idOf } from "./support/lookups.ts"
import { problems } from "./support/invariants.ts"
import { alice } from "./support/principals.ts"
import * as SharedStorage from "./support/SharedStorage.ts"
import { advance, settle } from "./support/time.ts"
import { wire } from "./support/wire.ts"
import * as World from "./support/World.ts"

const call = (name: string, path: string): ProviderCall => ({
  name,
  method: "GET",
  path,
  headers: {},
  body: null,
  idempotent: true
})

const jobOf = (body: unknown): ForeignJob | null => {
  if (!isObject(body) || typeof body["id"] !== "string") return null
  const { id, input_file_id: input, metadata, output_file_id: output, status } = body
  const ended = status === "completed"
  return {
    id,
    ended,
    createdAt: Number(body["created_at"]) * 1000,
    inputs: [{ field: "input_file_id", remoteId: String(input) }],
    outputs: [],
    metadata: isObject(metadata) ? { [markKey]: String(metadata[markKey]) } : {},
    tokens: null,
    requests: null,
    results: typeof output === "string" ? [output] : [],
    object: { status: ended ? "completed" : "in_progress", request_counts: { completed: 0, failed: 0 } }
  }
}

/** Batches on the routes of the fake provider whose lines are of another form. */
const foreignBatches: ForeignBatches = {
  endpoints: ["/v1/chat/completions"],
  maxRequests: 10,
  maxBytes: 100_000,
  inputFile: { filename: "batch.jsonl", contentType: "application/jsonl", purpose: "batch" },
  marked: true,
  frame: {
    open: "",
    adapt: null,
    line: (key, body) => `{"key":"${key}","body":${body}}`,
    separator: "\n",
    close: "\n"
  },
  create: (input, { metadata }) => ({
    name: "batches.create",
    method: "POST",
    path: "/batches",
    headers: {},
    body: encode(JSON.stringify({ input_file_id: input._tag === "File" ? input.id : "", metadata })),
    idempotent: false
  }),
  retrieve: (id) => call("batches.retrieve", `/batches/${id}`),
  cancel: (id) => call("batches.cancel", `/batches/${id}`),
  list: () => call("batches.list", "/batches"),
  decode: (body) => {
    const job = jobOf(body)
    return job === null ? Result.fail("no batch") : Result.succeed(job)
  },
  decodePage: (body) =>
    isObject(body) && Array.isArray(body["data"])
      ? Result.succeed({ jobs: body["data"].flatMap((each) => jobOf(each) ?? []), next: null })
      : Result.fail("no list"),
  results: {
    _tag: "Lines",
    areFiles: true,
    calls: ({ results }) => results.map((id) => call("results", `/files/${id}/content`))
  },
  result: ({ answer, key }) =>
    typeof key === "string"
      ? Result.succeed({ key, status: 200, answer: isObject(answer) ? answer : null, error: null })
      : Result.fail("no result")
}

const provider: Provider = { ...wire, batches: null, foreignBatches }

const line = (customId: string): string =>
  `${JSON.stringify({
    custom_id: customId,
    method: "POST",
    url: "/v1/chat/completions",
    body: { model: "east-only", messages: [{ role: "user", content: "Hi" }] }
  })}\n`

const create = Effect.fnUntraced(function* (instance: World.Instance) {
  const input = idOf(yield* instance.upload({ content: line("a") + line("b"), purpose: "batch", models: [] }))
  const body = { input_file_id: input, endpoint: "/v1/chat/completions", completion_window: "24h" }
  const inputFile = { id: input, param: "input_file_id" }
  const { object } = yield* Effect.scoped(
    instance.run({ _tag: "CreateBatch", body, inputFile, model: null, idempotencyKey: null }, alice)
  )
  return { id: String(object["id"]), input }
})

const retrieve = (instance: World.Instance, id: string) =>
  Effect.scoped(instance.run({ _tag: "RetrieveBatch", id }, alice)).pipe(Effect.map(({ object }) => object))

const listed = (instance: World.Instance) =>
  Effect.scoped(instance.run({ _tag: "ListBatches", limit: 10, after: null }, alice)).pipe(
    Effect.map(({ objects }) => objects[0] ?? assert.fail("there is no batch"))
  )

/** The provider ends its only batch: the second line first. */
const answerAll = (world: World.World): void => {
  const [batch] = world.account("east").batches.values()
  const answered = (key: string) => `${JSON.stringify({ key, answer: { said: key } })}\n`
  world.account("east").complete(batch?.id ?? "", answered("l-2") + answered("l-1"))
}

const namesIn = (instance: World.Instance, object: JsonObject, file: string) =>
  Effect.map(instance.content(String(object[file])), (text) =>
    text
      .trim()
      .split("\n")
      .map((each) => parseObject(each)?.["custom_id"])
  )

const removeContent = (instance: World.Instance, key: string) => instance.storage.blobs.remove(key)

/** Background work is up to the test: it looks at what is due when the clock goes on. */
const jobs = { pollInterval: 10_000, pollConcurrency: 2, claimTtl: 60_000, responseTtl: 1 }

describe("the end of a batch in another form", () => {
  it.effect("is found and written down in the background, without anybody asking", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ provider, settings: { jobs } })
      const instance = yield* world.start()
      yield* create(instance)
      answerAll(world)
      yield* advance(12_000)
      const object = yield* listed(instance)
      assert.strictEqual(object["status"], "completed")
      assert.deepStrictEqual(object["request_counts"], { total: 2, completed: 2, failed: 0 })
      assert.deepStrictEqual(yield* namesIn(instance, object, "output_file_id"), ["b", "a"])
      const [job] = world.storage.jobs()
      const left = world.storage.blobKeys().filter((key) => key === ledgerKey(job?.key ?? "") || key.endsWith(".input"))
      assert.deepStrictEqual(left, [])
    })
  )

  it.effect("needs nothing but the input where what was remembered of its lines is lost", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ provider, settings: World.unhurried })
      const instance = yield* world.start()
      const { id } = yield* create(instance)
      const [job] = world.storage.jobs()
      yield* removeContent(instance, ledgerKey(job?.key ?? ""))
      yield* removeContent(instance, inputKey(job?.key ?? ""))
      answerAll(world)
      const object = yield* retrieve(instance, id)
      assert.strictEqual(object["status"], "completed")
      assert.deepStrictEqual(yield* namesIn(instance, object, "output_file_id"), ["b", "a"])
    })
  )

  it.effect("is a failure that says why where the input is lost, too", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ provider, settings: World.unhurried })
      const instance = yield* world.start()
      const { id } = yield* create(instance)
      const [job] = world.storage.jobs()
      yield* removeContent(instance, ledgerKey(job?.key ?? ""))
      yield* removeContent(instance, job?.reads[0]?.file ?? "")
      answerAll(world)
      const object = yield* retrieve(instance, id)
      assert.strictEqual(object["status"], "failed")
      assert.deepStrictEqual(object["request_counts"], { total: 2, completed: 0, failed: 2 })
      const { data } = object["errors"] as { readonly data: ReadonlyArray<JsonObject> }
      assert.deepStrictEqual(
        data.map(({ code }) => code),
        ["input_lost"]
      )
      assert.strictEqual(world.storage.jobs()[0]?.state, "ended")
    })
  )

  const callsOf = ({ storage }: World.Instance) => Object.values(storage.calls).reduce((sum, count) => sum + count, 0)

  /** A batch of two lines that has ended at its provider with an answer to the first, though nobody has looked yet. */
  const begin = Effect.gen(function* () {
    const world = yield* World.make({ provider, settings: { maintenanceInterval: 7_500 } })
    const instance = yield* world.start()
    const { id } = yield* create(instance)
    const [batch] = world.account("east").batches.values()
    world.account("east").complete(batch?.id ?? "", `${JSON.stringify({ key: "l-1", answer: { said: "a" } })}\n`)
    return { world, instance, id }
  })

  it.effect("has every line in one file, wherever in its work an instance dies", () =>
    Effect.gen(function* () {
      const undisturbed = yield* begin
      const before = callsOf(undisturbed.instance)
      yield* retrieve(undisturbed.instance, undisturbed.id)
      const calls = callsOf(undisturbed.instance) - before
      assert.isAbove(calls, 10)
      for (let call = 1; call <= calls; call++) {
        const { id, instance, world } = yield* begin
        const die = Effect.sync(() => instance.kill())
        const interference = { _tag: call % 2 === 0 ? "RunAfter" : "RunBefore", effect: die } as const
        instance.storage.interfere = SharedStorage.at(callsOf(instance) + call, interference)
        yield* Effect.forkDetach(retrieve(instance, id))
        yield* settle
        assert.isTrue(instance.storage.isDead())
        const successor = yield* world.start()
        yield* advance(90_000, 7_500)
        const object = yield* retrieve(successor, id)
        assert.strictEqual(object["status"], "completed", `after call ${call}`)
        assert.deepStrictEqual(yield* namesIn(successor, object, "output_file_id"), ["a"])
        assert.deepStrictEqual(yield* namesIn(successor, object, "error_file_id"), ["b"])
        assert.deepStrictEqual(object["request_counts"], { total: 2, completed: 1, failed: 1 })
        // The provider's results stay for a day.
        const isOfResults = (problem: string) => /output\.jsonl|has 1 lost uploads/.test(problem)
        assert.deepStrictEqual(
          problems(world).filter((problem) => !isOfResults(problem)),
          []
        )
      }
    })
  )

  it.effect("leaves none of the provider's own files of results behind", () =>
    Effect.gen(function* () {
      const hour = 60 * 60 * 1000
      const settings = { maintenanceInterval: hour, instanceTtl: 30 * hour }
      const world = yield* World.make({ provider, settings })
      const instance = yield* world.start()
      const { id } = yield* create(instance)
      answerAll(world)
      yield* retrieve(instance, id)
      const left = () => [...world.account("east").files.values()].map(({ filename }) => filename)
      assert.deepStrictEqual(left(), ["batch.jsonl", "output.jsonl"])
      yield* advance(26 * hour, hour)
      assert.deepStrictEqual(left(), ["batch.jsonl"])
    })
  )
})
