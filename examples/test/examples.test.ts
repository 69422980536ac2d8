/** The examples of this folder, and the first TypeScript block of every package's README, do what they say. */
import { execFile } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, inject, it } from "vitest"

const examples = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..")
const packages = path.resolve(examples, "../packages")
const extracted = path.join(examples, ".readme")

const postgres = inject("postgres")
const env = { ...process.env, ...("url" in postgres ? { DATABASE_URL: postgres.url } : {}) }

const run = async (file: string): Promise<string> =>
  (await promisify(execFile)(process.execPath, [file], { cwd: examples, env, timeout: 60_000 })).stdout

const block = (markdown: string, language: string): string | undefined =>
  new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "m").exec(markdown)?.[1]

describe("README of", () => {
  mkdirSync(extracted, { recursive: true })
  for (const name of readdirSync(packages)) {
    it.skipIf(name === "storage-postgres" && "missing" in postgres).concurrent(name, async () => {
      const readme = path.join(packages, name, "README.md")
      assert(existsSync(readme), `${name} has no README.md`)
      const markdown = readFileSync(readme, "utf8")
      const code = block(markdown, "ts")
      assert(code !== undefined, `${name}/README.md has no example`)
      const file = path.join(extracted, `${name}.ts`)
      writeFileSync(file, code)
      assert.strictEqual(await run(file), block(markdown, "text"))
    })
  }
})

describe("example", () => {
  it("upload-and-chat", async () => {
    assert.strictEqual(
      await run("upload-and-chat.ts"),
      [
        "File 1: minutes.txt, 11 bytes, sha256 bc6ad68e1efa906b.",
        "File 1: minutes.txt, 11 bytes, sha256 bc6ad68e1efa906b.",
        "429 alice has used up the quota of uploads.",
        "alice CreateFile files=0",
        "alice ChatCompletion files=1",
        "alice ChatCompletion files=1",
        "alice CreateFile CallFailed RateLimited",
        "alice DeleteFile files=0",
        ""
      ].join("\n")
    )
  })

  it("batch", async () => {
    assert.strictEqual(
      await run("batch.ts"),
      [
        "validating",
        "in_progress",
        "2 of 2 requests",
        "request-0 Answer from emulated-alpha (model gpt-4o-mini). Prompt: Say hello.",
        "request-1 Answer from emulated-alpha (model gpt-4o-mini). File 1: minutes.txt, 11 bytes, sha256 bc6ad68e1efa906b.",
        ""
      ].join("\n")
    )
  })

  it("wrap-koa", async () => {
    assert.strictEqual(
      await run("wrap-koa.ts"),
      [
        "asking east for gpt-4o",
        "asking west for gpt-4o-mini",
        "File 1: minutes.txt, 11 bytes, sha256 bc6ad68e1efa906b.",
        "401",
        ""
      ].join("\n")
    )
  })

  it("wrap-express", async () => {
    assert.strictEqual(
      await run("wrap-express.ts"),
      ["asking east for gpt-4o", "asking west for gpt-4o-mini", "true data: [DONE]", "401", ""].join("\n")
    )
  })

  it("promise-facade", async () => {
    assert.strictEqual(
      await run("promise-facade.ts"),
      [
        "File 1: minutes.txt, 11 bytes, sha256 bc6ad68e1efa906b.",
        "Answer from west (model gpt-4o). File 1: minutes.txt, 11 bytes, sha256 bc6ad68e1efa906b.",
        "NotFound",
        "completed first half, and rest",
        "minutes.txt (11),transcript.txt (20)",
        ""
      ].join("\n")
    )
  })
})
