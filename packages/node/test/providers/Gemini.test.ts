/** Files of a Gemini account behind a gateway. */
import { assert, describe, it, onTestFinished } from "@effect/vitest"
import * as GeminiEmulator from "@omnifile/testkit/GeminiEmulator"
import type OpenAI from "openai"
import * as Vendor from "../support/vendor.ts"

const start = async (apiVersion: string | null = null, now = Date.now) => {
  const emulator = await GeminiEmulator.start({ accounts: [Vendor.account], now })
  const vendor = await Vendor.make(emulator, { provider: "gemini", apiVersion })
  onTestFinished(vendor.close)
  return { emulator, ...vendor }
}

describe("a file on Gemini", () => {
  it.each([
    [null, "v1beta"],
    ["v1", "v1"]
  ])("is uploaded, kept for two days and deleted, with the version %s of the API", async (apiVersion, version) => {
    const { client, emulator, replicas, upload } = await start(apiVersion)
    const file = await upload("a file for Gemini")
    assert.deepInclude(emulator.files("main")[0], { filename: "notes.txt", bytes: 17, contentType: "text/plain" })
    const [replica] = await replicas(file.id)
    assert.deepInclude(replica, { account: "main", state: "ready" })
    assert.strictEqual(await (await client.files.content(file.id)).text(), "a file for Gemini")
    await client.files.delete(file.id)
    const removed = await emulator.waitFor(({ done, route }) => route === "files.delete" && done)
    assert.deepStrictEqual(emulator.files("main"), [])
    assert.match(removed.path, new RegExp(`^/${version}/files/[a-z0-9]{12}$`))
    assert.deepStrictEqual(
      emulator.journal.map(({ route }) => route),
      ["files.create", "files.upload", "files.delete"]
    )
  })

  it("waits until a file is active, and is refused if it fails", async () => {
    const { emulator, replicas, upload } = await start()
    emulator.setProcessing("main", { looks: 2 })
    const file = await upload("slow")
    assert.deepInclude((await replicas(file.id))[0], { state: "ready" })
    assert.strictEqual(emulator.journal.filter(({ route }) => route === "files.retrieve").length, 2)
    emulator.setProcessing("main", { looks: 1, ends: "failed" })
    const refused = await upload("broken").then(
      () => assert.fail("it was taken"),
      (error: { status?: number; message: string }) => error
    )
    assert.strictEqual(refused.status, 502)
    assert.match(refused.message, /main could not process the file/)
    await emulator.waitFor(({ done, route }) => route === "files.delete" && done)
    assert.strictEqual(emulator.files("main").length, 1)
  })

  it.each(["files.create", "files.upload"] as const)("is there once when %s fails once", async (route) => {
    const { emulator, upload } = await start()
    emulator.fault({ route, times: 1, kind: { status: 503 } })
    await upload("again")
    assert.strictEqual(emulator.files("main").length, 1)
  })

  it("is there once when the connection breaks before the last byte", async () => {
    const { emulator, upload } = await start()
    emulator.fault({ route: "files.upload", times: 1, kind: { cutAfterBytes: 1_000 } })
    await upload("x".repeat(2_000_000))
    assert.deepStrictEqual(
      emulator.files("main").map(({ bytes }) => bytes),
      [2_000_000]
    )
  })

  it("is made again once, for all who call, when Gemini has dropped it after two days", async () => {
    let passed = 0
    const { client, emulator, upload } = await start(null, () => Date.now() + passed)
    const { id } = await upload("two days old")
    passed = 48 * 3_600_000
    const content: Array<OpenAI.ChatCompletionContentPart> = [{ type: "file", file: { file_id: id } }]
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        client.chat.completions.create({ model: "model", messages: [{ role: "user", content }] })
      )
    )
    assert.isTrue(answers.every(({ choices }) => choices[0]?.message.content?.includes("File 1: notes.txt, 12 bytes")))
    assert.strictEqual(emulator.files("main").length, 1)
    assert.strictEqual(emulator.journal.filter(({ route }) => route === "files.upload").length, 2)
  })

  it("that finds no room is refused at once, and not tried again and again", async () => {
    const { emulator, upload } = await start()
    emulator.setQuota("main", { bytes: 8 })
    const refused = await upload("nine bytes").then(
      () => assert.fail("it was taken"),
      (error: { status?: number; message: string }) => error
    )
    assert.strictEqual(refused.status, 502)
    assert.match(refused.message, /main refused the request \(429\)/)
    assert.strictEqual(emulator.journal.filter(({ route }) => route === "files.create").length, 1)
  })
})

it("a file that is lost again and again is called by the ID that the client knows", async () => {
  const { client, emulator, upload } = await start()
  const { id } = await upload("%PDF-1.7", "user_data", "a.pdf")
  const message = (name: string) => `You do not have permission to access the File ${name} or it may not exist.`
  const names: Array<string> = []
  // Whatever copy is named, it is gone.
  const lose = () => {
    for (const copy of emulator.files("main")) {
      names.push(copy.id.replace("files/", ""))
      emulator.loseFile("main", copy.id)
    }
  }
  lose()
  void emulator
    .waitFor(({ route, status }) => route === "files.upload" && status === 200 && emulator.files("main").length > 0)
    .then(lose)
  const refused = await client.chat.completions
    .create({ model: "model", messages: [{ role: "user", content: [{ type: "file", file: { file_id: id } }] }] })
    .then(
      () => assert.fail("it was answered"),
      (error: Error) => error
    )
  assert.include(refused.message, message(id))
  assert.isTrue(names.every((name) => !refused.message.includes(name)))
})
