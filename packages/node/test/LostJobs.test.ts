import { assert, describe, it } from "@effect/vitest"
import { Account, CallPolicy, defaultPolicy, Deployment } from "@omnifile/core/Account"
import * as BlobStore from "@omnifile/core/BlobStore"
import * as Bytes from "@omnifile/core/Bytes"
import * as FineTuningBody from "@omnifile/core/FineTuningBody"
import { Intake } from "@omnifile/core/Intake"
import { update } from "@omnifile/core/Job"
import { JobPoller } from "@omnifile/core/JobPoller"
import { Jobs } from "@omnifile/core/Jobs"
import { type JsonObject, parseObject } from "@omnifile/core/Json"
import * as Omnifile from "@omnifile/core/Omnifile"
import type { Operation } from "@omnifile/core/Operation"
import { Pipeline } from "@omnifile/core/Pipeline"
import { admin } from "@omnifile/core/Principal"
import { Registry } from "@omnifile/core/Registry"
import * as RegistryBackend from "@omnifile/core/RegistryBackend"
import * as Sha256 from "@omnifile/core/Sha256"
import { UnifiedIds } from "@omnifile/core/UnifiedId"
import { openai } from "@omnifile/provider-openai/OpenAI"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as UndiciTransport from "../src/UndiciTransport.ts"

const model = "tunable"

const layer = (baseUrl: string) =>
  Omnifile.layer({
    catalog: {
      providers: [openai],
      accounts: [
        new Account({
          id: "alpha",
          provider: openai.id,
          baseUrl,
          apiKey: Redacted.make("sk-alpha"),
          headers: {},
          exclusive: true,
          policy: new CallPolicy({ ...defaultPolicy, attempts: 1 })
        })
      ],
      deployments: [new Deployment({ id: "on-alpha", account: "alpha", modelName: model, model, weight: 1 })]
    },
    // Background work comes when a test says so.
    settings: { maintenanceInterval: 3_600_000 }
  }).pipe(
    Layer.provide(
      Layer.mergeAll(
        BlobStore.layerMemory,
        RegistryBackend.layerMemory,
        UndiciTransport.layer,
        Sha256.layerPortable,
        UnifiedIds.layerPlain
      )
    )
  )

const run = <Op extends Operation>(operation: Op) =>
  Effect.scoped(Effect.flatMap(Pipeline, (pipeline) => pipeline.run({ id: "request", principal: admin, operation })))

const dataFile = Effect.gen(function* () {
  const intake = yield* Intake
  const content = yield* intake.receive(admin, Bytes.fromArray(new TextEncoder().encode('{"messages":[]}\n')))
  const { file } = yield* run({
    _tag: "CreateFile",
    content,
    filename: "data.jsonl",
    declaredType: null,
    purpose: "fine-tune",
    models: [model],
    expiresAfter: null,
    idempotencyKey: null
  })
  return file.id ?? ""
})

const create = (training_file: string, more: JsonObject = {}) =>
  run(Result.getOrThrow(FineTuningBody.parse({ model, training_file, ...more }, null)))

/** As many pairs as a provider keeps: there is no room for one of ours. */
const fullMetadata = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`key${index}`, "value"]))

const rows = Effect.flatMap(Registry, (registry) =>
  Effect.map(registry.jobs.scan({ index: "due", partitions: ["all"], order: "asc", limit: 100 }), (found) =>
    found.map(({ value }) => value)
  )
)

/** A round of the poller, so many milliseconds later as far as the rows can tell. */
const roundAfter = (millis: number) =>
  Effect.gen(function* () {
    const jobs = yield* Jobs
    for (const { key } of yield* rows) {
      yield* jobs.modify(key, (job) =>
        update(job, { createdAt: job.createdAt - millis, updatedAt: job.updatedAt - millis, dueAt: 0 })
      )
    }
    yield* Effect.flatMap(JobPoller, ({ round }) => round)
    return yield* rows
  })

type Services = Omnifile.Services | Scope.Scope

const scenario = (
  body: (emulator: OpenAIEmulator.Emulator) => Effect.Effect<void, unknown, Services>
): Effect.Effect<void, unknown> =>
  Effect.scoped(
    Effect.gen(function* () {
      const emulator = yield* OpenAIEmulator.make({ accounts: [{ name: "alpha", key: "sk-alpha" }] })
      yield* Effect.provide(body(emulator), layer(emulator.baseUrl))
    })
  ).pipe(Effect.provide(Logger.layer([])))

const made = ({ journal }: OpenAIEmulator.Emulator) => journal.filter(({ route }) => route === "fine_tuning.create")

describe("a job whose create was not answered", () => {
  it.live("is answered all the same when the provider says that it has it", () =>
    scenario((emulator) =>
      Effect.gen(function* () {
        const file = yield* dataFile
        emulator.fault({ route: "fine_tuning.create", times: 1, kind: { acceptThenCut: true } })
        const { object } = yield* create(file, { metadata: { team: "x" } })
        assert.strictEqual(object["training_file"], file)
        assert.deepStrictEqual(object["metadata"], { team: "x" })
        assert.lengthOf(made(emulator), 1)
      })
    )
  )

  it.live("is not made twice after a fault that came once it was there", () =>
    scenario((emulator) =>
      Effect.gen(function* () {
        const file = yield* dataFile
        const kind = { status: 502, performed: true }
        const fault = emulator.fault({ route: "fine_tuning.create", times: 1, kind })
        const { object } = yield* create(file)
        assert.strictEqual(fault.hits(), 1)
        assert.strictEqual(object["training_file"], file)
        assert.lengthOf(made(emulator), 1)
        assert.lengthOf(yield* rows, 1)
      })
    )
  )

  it.live("is refused, and its row goes, after a fault that came before it was there", () =>
    scenario((emulator) =>
      Effect.gen(function* () {
        const file = yield* dataFile
        emulator.fault({ route: "fine_tuning.create", times: 1, kind: { status: 500 } })
        const error = yield* Effect.flip(create(file))
        assert.strictEqual(error._tag, "ProvidersFailed")
        assert.deepStrictEqual(yield* rows, [])
        yield* run({ _tag: "DeleteFile", id: file })
      })
    )
  )

  it.live("is found later, whether or not there was room for our key", () =>
    scenario((emulator) =>
      Effect.gen(function* () {
        const file = yield* dataFile
        const inTheWay = emulator.fault({ route: "fine_tuning.list", kind: { status: 500 } })
        emulator.fault({ route: "fine_tuning.create", times: 3, kind: { acceptThenCut: true } })
        for (const metadata of [null, fullMetadata, fullMetadata]) {
          const error = yield* Effect.flip(create(file, { metadata }))
          assert.strictEqual(error._tag, "ProvidersFailed")
        }
        assert.strictEqual(inTheWay.hits(), 3)
        const refused = yield* Effect.flip(run({ _tag: "DeleteFile", id: file }))
        assert.include(refused.message, "a job that is being created")
        const page = yield* run({ _tag: "ListFineTuningJobs", limit: 10, after: null, metadata: null })
        assert.deepStrictEqual(page.objects, [])

        inTheWay.clear()
        const found = yield* roundAfter(0)
        assert.deepStrictEqual(
          found.map(({ state }) => state),
          ["active", "active", "active"]
        )
        assert.lengthOf(new Set(found.map(({ remoteId }) => remoteId)), 3)
        assert.deepStrictEqual(
          found.map(({ object }) => Object.keys(Object(parseObject(object)?.["metadata"])).length),
          [0, 16, 16]
        )
        const again = yield* run({ _tag: "ListFineTuningJobs", limit: 10, after: null, metadata: null })
        assert.deepStrictEqual(new Set(again.objects.map(({ id }) => id)), new Set<unknown>(found.map(({ id }) => id)))
        assert.lengthOf(made(emulator), 3)
      })
    )
  )

  it.live("is undone when the provider does not list it after a while, and its file can go", () =>
    scenario((emulator) =>
      Effect.gen(function* () {
        const file = yield* dataFile
        yield* create(file, { suffix: "of somebody else" })
        emulator.fault({ route: "fine_tuning.create", times: 1, kind: { status: 200, body: "no JSON" } })
        yield* Effect.flip(create(file))
        const early = yield* roundAfter(0)
        assert.deepStrictEqual(
          early.map(({ state }) => state).sort(),
          ["active", "creating"],
          "it is too early to tell"
        )
        const left = yield* roundAfter(20_000)
        assert.deepStrictEqual(
          left.map(({ state }) => state),
          ["active"]
        )
        yield* run({ _tag: "CancelFineTuningJob", id: left[0]?.id ?? "" })
        yield* run({ _tag: "DeleteFile", id: file })
      })
    )
  )
})
