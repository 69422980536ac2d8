import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileForm from "../src/FileForm.ts"

const fields = (entries: Readonly<Record<string, string | ReadonlyArray<string>>>): FileForm.Fields =>
  new Map(Object.entries(entries).map(([name, value]) => [name, typeof value === "string" ? [value] : value]))

const purpose = { purpose: "batch" }
const expiry = (anchor: string, seconds: string) => ({
  ...purpose,
  "expires_after[anchor]": anchor,
  "expires_after[seconds]": seconds
})

describe("FileForm.parse", () => {
  const models: ReadonlyArray<
    readonly [Readonly<Record<string, string | ReadonlyArray<string>>>, ReadonlyArray<string>]
  > = [
    [{}, []],
    [{ target_model_names: "a, b ,,a" }, ["a", "b"]],
    [{ "target_model_names[]": ["a", "b", "a"] }, ["a", "b"]],
    [{ "target_model_names[0]": "a", "target_model_names[1]": "b" }, ["a", "b"]],
    [{ target_model_names: ["a", "b,c"], "target_model_names[]": "d" }, ["a", "b", "c", "d"]],
    [{ target_model_names: " , " }, []],
    [{ "target_model_names[x]": "a" }, []]
  ]
  for (const [given, expected] of models) {
    it.effect(`models of ${JSON.stringify(given)}`, () =>
      Effect.gen(function* () {
        const parsed = yield* FileForm.parse(fields({ ...purpose, ...given }))
        assert.deepStrictEqual(parsed, { purpose: "batch", models: expected, expiresAfter: null })
      })
    )
  }

  for (const seconds of ["3600", "2592000"]) {
    it.effect(`expires after ${seconds} seconds`, () =>
      Effect.gen(function* () {
        const parsed = yield* FileForm.parse(fields(expiry("created_at", seconds)))
        assert.strictEqual(parsed.expiresAfter, Number(seconds))
      })
    )
  }

  const refused: ReadonlyArray<readonly [Readonly<Record<string, string | ReadonlyArray<string>>>, param: string]> = [
    [{}, "purpose"],
    [{ purpose: "" }, "purpose"],
    [{ purpose: "batch_output" }, "purpose"],
    [{ purpose: ["batch", "vision"] }, "purpose"],
    [{ ...purpose, expires_after: "3600" }, "expires_after"],
    [{ ...purpose, "expires_after[days]": "1" }, "expires_after"],
    [{ ...purpose, "expires_after[anchor]": "created_at" }, "expires_after[seconds]"],
    [{ ...purpose, "expires_after[seconds]": "3600" }, "expires_after[anchor]"],
    [expiry("updated_at", "3600"), "expires_after[anchor]"],
    [expiry("created_at", "3599"), "expires_after[seconds]"],
    [expiry("created_at", "2592001"), "expires_after[seconds]"],
    [expiry("created_at", "3600.5"), "expires_after[seconds]"],
    [expiry("created_at", "1e4"), "expires_after[seconds]"],
    [expiry("created_at", "-3600"), "expires_after[seconds]"],
    [expiry("created_at", " 3600"), "expires_after[seconds]"]
  ]
  for (const [given, param] of refused) {
    it.effect(`refuses ${JSON.stringify(given)}, naming ${param}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(FileForm.parse(fields(given)))
        assert.strictEqual(error.param, param)
      })
    )
  }

  it.effect("takes a purpose that is repeated with the same value", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* FileForm.parse(fields({ purpose: ["vision", "vision"] }))).purpose, "vision")
    })
  )
})

describe("FileForm.parseFilename", () => {
  const names: ReadonlyArray<readonly [given: string, expected: string | null]> = [
    ["a.pdf", "a.pdf"],
    ["../../etc/passwd", "passwd"],
    ["C:\\docs\\a.pdf", "a.pdf"],
    ["naïve 文件.txt", "naïve 文件.txt"],
    ['a"b.txt', 'a"b.txt'],
    ["%2e%2e", "%2e%2e"],
    ["", null],
    ["..", null],
    ["a/..", null],
    ["a/", null],
    ["a\u0000.pdf", null],
    ["a\r\nx: y", null],
    ["x".repeat(1025), null]
  ]
  for (const [given, expected] of names) {
    it.effect(`${JSON.stringify(given.slice(0, 30))} is ${expected === null ? "refused" : expected}`, () =>
      Effect.gen(function* () {
        const parsed = yield* Effect.option(FileForm.parseFilename(given))
        assert.strictEqual(parsed._tag === "Some" ? parsed.value : null, expected)
      })
    )
  }
})
