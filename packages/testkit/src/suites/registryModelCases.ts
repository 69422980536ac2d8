/** Any sequence of commits, reads and scans does what the model does. */
import { assert } from "@effect/vitest"
import { RegistryBackend, type Change } from "@omnifile/core/RegistryBackend"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { assertConflict, caseTimeout, makeFixture, type It } from "./registryCases.ts"
import * as RegistryModel from "./RegistryModel.ts"

const keys = ["a", "B", "c-1", "c-10", "~"] as const
const Key = Schema.Literals(keys)
const Partition = Schema.Literals(["p", "q", "P"])
const Sort = Schema.Literals(["", "1", "10", "2"])
const Partitions = Schema.Array(Partition).check(Schema.isMaxLength(3))

const Step = Schema.Struct({
  key: Key,
  /** How far the expected version is from the right one: mostly not at all. */
  error: Schema.Literals([0, 0, 0, 0, 0, 1, -1]),
  value: Schema.NullOr(Schema.Int),
  entry: Schema.NullOr(Schema.Struct({ partitions: Partitions, sort: Sort }))
})

const Command = Schema.Union([
  Schema.Struct({ commit: Schema.Array(Step).check(Schema.isMaxLength(4)) }),
  Schema.Struct({
    scan: Schema.Struct({
      partitions: Partitions,
      order: Schema.Literals(["asc", "desc"]),
      after: Schema.UndefinedOr(Schema.Struct({ sort: Sort, key: Key })),
      until: Schema.UndefinedOr(Sort),
      limit: Schema.Literals([1, 2, 3, 100])
    })
  })
])

export const register = (it: It): void => {
  it.effect.prop(
    "does what the model does",
    [Schema.Array(Command)],
    ([commands]) =>
      Effect.gen(function* () {
        const { backend, collection, put, read, remove, scan } = makeFixture(yield* RegistryBackend)
        const model = RegistryModel.make()
        const toChange = ({ entry, error, key, value }: typeof Step.Type): Change => {
          const expected = Math.max(0, (model.read(collection, key)?.version ?? 0) + error)
          if (value === null) return remove(key, expected)
          return put(key, expected, String(value), entry === null ? [] : [{ index: "i", ...entry }])
        }
        for (const command of commands) {
          if ("commit" in command) {
            const steps = new Map(command.commit.map((step) => [step.key, step]))
            const changes = [...steps.values()].map(toChange)
            const stale = model.commit(changes)
            if (stale.length === 0) yield* backend.commit(changes)
            else yield* assertConflict(backend, changes, ...stale)
          } else {
            const page = yield* scan(command.scan)
            assert.deepStrictEqual(page, model.scan({ collection, index: "i", ...command.scan }))
          }
          assert.deepStrictEqual(
            yield* read(...keys),
            keys.map((key) => model.read(collection, key))
          )
        }
      }),
    { timeout: caseTimeout, arbitrary: { runs: 100 } }
  )
}
