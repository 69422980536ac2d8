import * as Result from "effect/Result"
import { assert, describe, it } from "vitest"
import * as CommandLine from "../src/CommandLine.ts"

const read = (line: string, env: Record<string, string> = {}) =>
  Result.match(
    CommandLine.parse(
      line.split(" ").filter((word) => word !== ""),
      env
    ),
    {
      onSuccess: (command): CommandLine.Command | string => command,
      onFailure: (problem): CommandLine.Command | string => problem
    }
  )

describe("the command line", () => {
  it("is a server without a command", () => {
    assert.deepStrictEqual(read(""), { _tag: "Serve", config: undefined })
    assert.deepStrictEqual(read("--config a.yaml"), { _tag: "Serve", config: "a.yaml" })
    assert.deepStrictEqual(read("-h"), { _tag: "Help" })
  })

  it("takes each command with its options", () => {
    assert.deepStrictEqual(read("doctor --fix --account main --json --config a.yaml"), {
      _tag: "Doctor",
      account: "main",
      config: "a.yaml",
      fix: true,
      json: true
    })
    assert.deepStrictEqual(read("erase --user alice --dry-run"), {
      _tag: "Erase",
      user: "alice",
      dryRun: true,
      config: undefined,
      json: false
    })
    const imported = read("import litellm --map a=main --map b=c=other --litellm-config l.yaml", {
      LITELLM_DATABASE_URL: "postgres://h/d"
    })
    assert.deepStrictEqual(imported, {
      _tag: "ImportLitellm",
      databaseUrl: "postgres://h/d",
      litellmConfig: "l.yaml",
      map: new Map([
        ["a", "main"],
        ["b=c", "other"]
      ]),
      askAccounts: false,
      dryRun: false,
      config: undefined,
      json: false
    })
  })

  it("says in one line what is wrong", () => {
    for (const [line, word] of [
      ["--port 1", "--port"],
      ["--config", "--config"],
      ["serve", "serve"],
      ["doctor --fixx", "--fixx"],
      ["doctor --fix=yes", "--fix"],
      ["doctor more", "more"],
      ["import", "litellm"],
      ["import portkey", "portkey"],
      ["import litellm", "--database-url"],
      ["import litellm --database-url x --map nothing", "--map"],
      ["erase", "--user"],
      ["erase --user", "--user"]
    ] as const) {
      const problem = read(line)
      assert.isString(problem, line)
      assert.include(problem, word)
      assert.notInclude(problem, "\n")
    }
  })
})
