import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Access from "../src/Access.ts"
import { responsePaths } from "../src/AnswerIds.ts"
import * as AnswerTranslation from "../src/AnswerTranslation.ts"
import * as Bytes from "../src/Bytes.ts"
import type { TransportResponse } from "../src/HttpTransport.ts"
import { Jobs } from "../src/Jobs.ts"
import { OutputFiles } from "../src/OutputFiles.ts"
import * as Sha256 from "../src/Sha256.ts"
import { UnifiedIds } from "../src/UnifiedId.ts"
import { decode, encode } from "./support/json.ts"
import { alice, bob } from "./support/principals.ts"
import * as World from "./support/World.ts"

const origin: AnswerTranslation.Origin = {
  owner: Access.ownerOf(alice),
  account: "east",
  deployment: "both-east",
  modelName: "both",
  known: new Map(),
  store: true,
  row: null
}

const answered = (headers: TransportResponse["headers"], chunks: ReadonlyArray<string>): TransportResponse => {
  const [only] = chunks
  return {
    status: 200,
    headers,
    complete: only !== undefined && chunks.length === 1 ? encode(only) : null,
    body: Bytes.fromArray(...chunks.map(encode)),
    cancel: () => {}
  }
}

const json = (value: unknown, headers: TransportResponse["headers"] = {}): TransportResponse =>
  answered({ "content-type": "application/json", ...headers }, [JSON.stringify(value)])

const translationOf = Effect.fnUntraced(function* (instance: World.Instance) {
  const jobs = yield* instance.within(Jobs)
  const outputs = yield* instance.within(OutputFiles)
  const services = Layer.mergeAll(
    Layer.succeed(Jobs, jobs),
    Layer.succeed(OutputFiles, outputs),
    Sha256.layerPortable,
    Layer.orDie(UnifiedIds.layerSealed({ current: Redacted.make("a secret for tests") }))
  )
  const translation = yield* Effect.provide(AnswerTranslation.make, services)
  const translated = (response: TransportResponse, more: Partial<AnswerTranslation.Origin> = {}) =>
    translation.translate(response, responsePaths, { ...origin, ...more })
  const whole = (value: unknown, more: Partial<AnswerTranslation.Origin> = {}) =>
    Effect.gen(function* () {
      const { complete, headers } = yield* translated(json(value), more)
      if (complete === null) return assert.fail("the answer is not whole")
      assert.strictEqual(headers["content-length"], String(complete.length))
      return decode(complete)
    })
  return { jobs, translated, whole }
})

describe("translate", () => {
  it.effect("gives a container one ID, whoever comes upon it, which is its first owner's", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const [here, there] = [yield* translationOf(yield* world.start()), yield* translationOf(yield* world.start())]
      const answers = yield* Effect.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 === 0 ? here : there).whole({ output: [{ container_id: "cntr_1" }] })
        ),
        { concurrency: "unbounded" }
      )
      const [id = ""] = new Set(answers.map((text) => /"container_id":"(.*?)"/.exec(text)?.[1] ?? ""))
      assert.lengthOf([...new Set(answers)], 1)
      assert.match(id, /^cntr_.{40,}$/)
      const job = yield* there.jobs.find(alice, "container", id)
      assert.deepInclude(job, { account: "east", remoteId: "cntr_1", kind: "container" })
      const again = yield* here.whole({ output: [{ container_id: "cntr_1" }] }, { owner: Access.ownerOf(bob) })
      assert.include(again, id)
      assert.strictEqual((yield* Effect.flip(here.jobs.find(bob, "container", id)))._tag, "NotFound")
      assert.notInclude(yield* here.whole({ output: [{ container_id: "cntr_1" }] }, { account: "west" }), id)
    })
  )

  it.effect("records a response before a byte that names it is handed on", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const { jobs, translated } = yield* translationOf(yield* world.start())
      const events = ["created", "completed"].map((type) => `data: {"type":"${type}","response":{"id":"resp_1"}}\n\n`)
      const { body, headers } = yield* translated(
        answered({ "content-type": "text/event-stream", "content-length": "9" }, events)
      )
      assert.isUndefined(headers["content-length"])
      const iterator = body[Symbol.asyncIterator]()
      const first = yield* Effect.promise(() => iterator.next())
      const id = /"id":"(.*?)"/.exec(first.done === true ? "" : decode(first.value))?.[1] ?? ""
      assert.strictEqual((yield* jobs.find(alice, "response", id)).remoteId, "resp_1")
      const second = yield* Effect.promise(() => iterator.next())
      assert.include(second.done === true ? "" : decode(second.value), id)
      assert.isTrue((yield* Effect.promise(() => iterator.next())).done)
    })
  )

  it.effect("knows what is known, and looks up the response that an answer goes on from", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const { whole } = yield* translationOf(yield* world.start())
      const first = /"id":"(.*?)"/.exec(yield* whole({ id: "resp_1" }))?.[1] ?? ""
      const next = JSON.parse(yield* whole({ id: "resp_2", previous_response_id: "resp_1" })) as Record<string, string>
      assert.strictEqual(next["previous_response_id"], first)
      const known = new Map([["resp_3", "resp_known"]])
      assert.deepStrictEqual(JSON.parse(yield* whole({ id: "resp_3" }, { known })), { id: "resp_known" })
    })
  )

  it.effect("leaves the ID of a file that cannot be looked at, and the rest of the answer good", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const { whole } = yield* translationOf(yield* world.start())
      const annotations = [{ file_id: "file-gone" }, { file_id: "cfile_1", container_id: "cntr_1", filename: "a.csv" }]
      const text = yield* whole({ output: [{ content: [{ annotations }] }] })
      assert.include(text, `"file_id":"file-gone"`)
      // The provider of these tests has no containers.
      assert.include(text, `"file_id":"cfile_1"`)
      assert.notInclude(text, `"cntr_1"`)
    })
  )

  it.effect("makes nobody the owner of what is only cited", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const instance = yield* world.start()
      const { whole } = yield* translationOf(instance)
      const id = "file-of-the-operator"
      world.account("east").files.set(id, {
        id,
        filename: "handbook.pdf",
        contentType: "application/pdf",
        content: encode("x"),
        fields: new Map(),
        createdAt: Date.UTC(2030, 0, 1),
        expiresAt: null,
        processing: 0
      })
      const cited = (type: string) => whole({ output: [{ content: [{ annotations: [{ type, file_id: id }] }] }] })
      assert.include(yield* cited("file_citation"), `"${id}"`)
      assert.deepStrictEqual((yield* instance.list()).files, [])
      assert.notInclude(yield* cited("file_path"), `"${id}"`)
      assert.lengthOf((yield* instance.list()).files, 1)
    })
  )

  it.effect("refuses an answer that it cannot read", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const { translated } = yield* translationOf(yield* world.start())
      const compressed = yield* Effect.flip(translated(json({ id: "resp_1" }, { "content-encoding": "gzip" })))
      assert.strictEqual(compressed._tag, "ProvidersFailed")
      const broken: Bytes.Bytes = {
        async *[Symbol.asyncIterator]() {
          yield encode(`{"id":`)
          throw new Error("broken")
        }
      }
      const cut = yield* Effect.flip(translated({ ...json({}), complete: null, body: broken }))
      assert.strictEqual(cut._tag, "ProvidersFailed")
      assert.include(cut.message, "east")
    })
  )
})
