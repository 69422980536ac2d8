/** The Gemini emulator, judged by the official SDK in both generations of its wire. */
import {
  ApiError,
  FileSource,
  FileState,
  FunctionCallingConfigMode,
  GoogleGenAI,
  JobState,
  createPartFromUri
} from "@google/genai"
import { GoogleGenAI as Earlier } from "@google/genai-1"
import { assert, describe, it, onTestFinished } from "@effect/vitest"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { request as undici } from "undici"
import * as GeminiEmulator from "../../src/GeminiEmulator.ts"
import { sha256 } from "../openai/harness.ts"

const start = async (now?: () => number) => {
  const emulator = await GeminiEmulator.start({ accounts: [{ name: "alpha", key: "g-alpha" }], now })
  onTestFinished(() => emulator.close())
  const options = { apiKey: "g-alpha", httpOptions: { baseUrl: emulator.baseUrl } }
  const client = new GoogleGenAI(options)
  const upload = (text = "hello", type = "text/plain") =>
    client.files.upload({ file: new Blob([text], { type }), config: { displayName: "notes", mimeType: type } })
  return { client, earlier: new Earlier(options), emulator, upload }
}

const failure = (call: PromiseLike<unknown>): Promise<{ readonly status?: number; readonly message: string }> =>
  Promise.resolve(call).then(
    () => assert.fail("the call succeeded"),
    (error: Error) => error
  )

const model = "gemini-2.5-flash"

describe("files", () => {
  it("go up in two steps, and are described, listed and deleted, by each generation", async () => {
    const { client, earlier, emulator } = await start(() => 1_700_000_000_000)
    for (const [{ files }, version] of [
      [client, "v1"],
      [earlier, "v1beta"]
    ] as const) {
      const from = emulator.journal.length
      const made = await files.upload({
        file: new Blob(["hello"], { type: "text/plain" }),
        config: { displayName: "notes", mimeType: "text/plain" }
      })
      assert.match(String(made.name), /^files\/[a-z0-9-]{1,40}$/)
      assert.deepInclude(
        { ...made },
        {
          displayName: "notes",
          mimeType: "text/plain",
          sizeBytes: "5",
          createTime: "2023-11-14T22:13:20.000Z",
          expirationTime: "2023-11-16T22:13:20.000Z",
          uri: `${emulator.baseUrl}/v1beta/${made.name}`,
          state: FileState.ACTIVE,
          source: FileSource.UPLOADED
        }
      )
      assert.strictEqual(emulator.files("alpha").at(-1)?.sha256, sha256(Buffer.from("hello")))
      const name = String(made.name)
      assert.strictEqual((await files.get({ name })).uri, made.uri)
      assert.deepStrictEqual(
        emulator.journal.slice(from).map(({ method, path }) => `${method} ${path.replace(/=\w+/, "=…")}`),
        [
          `POST /upload/${version}/files`,
          `POST /upload/${version}/files?upload_id=…&upload_protocol=resumable`,
          `GET /${version}/${name}`
        ]
      )
      assert.deepInclude(emulator.journal[from + 1]?.upload, { filename: "notes", bytes: 5 })
      await files.delete({ name })
      assert.strictEqual((await failure(files.get({ name }))).status, 403)
    }
  })

  it("are listed in pages", async () => {
    const { client, earlier, upload } = await start()
    const names: Array<string | undefined> = []
    for (let count = 0; count < 5; count += 1) names.push((await upload()).name)
    for (const { files } of [client, earlier]) {
      const listed: Array<string | undefined> = []
      for await (const { name } of await files.list({ config: { pageSize: 2 } })) listed.push(name)
      assert.deepStrictEqual(listed, names.toReversed())
    }
  })

  it("of many pieces are put together", async () => {
    const { client, emulator } = await start()
    const bytes = Buffer.alloc(8 * 1024 * 1024 + 3, "abc")
    const made = await client.files.upload({ file: new Blob([bytes]), config: { mimeType: "text/plain" } })
    assert.strictEqual(made.sizeBytes, String(bytes.byteLength))
    assert.strictEqual(emulator.files("alpha")[0]?.sha256, sha256(bytes))
  })

  it("are no files until the last byte has come", async () => {
    const { emulator } = await start()
    const head = { "x-goog-api-key": "g-alpha", "content-type": "application/json" }
    const begun = await undici(`${emulator.baseUrl}/upload/v1beta/files`, {
      method: "POST",
      headers: {
        ...head,
        "x-goog-upload-protocol": "resumable",
        "x-goog-upload-command": "start",
        "x-goog-upload-header-content-length": "10",
        "x-goog-upload-header-content-type": "text/plain"
      },
      body: '{"file":{"display_name":"a"}}'
    })
    await begun.body.dump()
    // The address is enough: whoever has it needs no key.
    const address = String(begun.headers["x-goog-upload-url"])
    const send = async (command: string, offset: number, body: string) => {
      const sent = await undici(address, {
        method: "POST",
        headers: { "x-goog-upload-command": command, "x-goog-upload-offset": String(offset) },
        body
      })
      await sent.body.dump()
      return [sent.statusCode, sent.headers["x-goog-upload-status"]]
    }
    assert.deepStrictEqual(await send("upload", 0, "01234"), [200, "active"])
    assert.deepStrictEqual(await send("upload, finalize", 3, "56789"), [400, undefined])
    assert.deepStrictEqual(emulator.files("alpha"), [])
    assert.deepStrictEqual(await send("upload, finalize", 5, "56789"), [200, "final"])
    assert.strictEqual(emulator.files("alpha")[0]?.sha256, sha256(Buffer.from("0123456789")))
  })

  it("are gone after forty-eight hours, and are refused as those of others are", async () => {
    let now = 1_700_000_000_000
    const { client, upload } = await start(() => now)
    const made = await upload()
    now += 48 * 3_600_000
    const asking = client.models.generateContent({
      model,
      contents: [createPartFromUri(String(made.uri), "text/plain")]
    })
    for (const error of [await failure(asking), await failure(client.files.get({ name: String(made.name) }))]) {
      assert.instanceOf(error, ApiError)
      assert.strictEqual(error.status, 403)
      assert.match(error.message, /You do not have permission to access the File \w+ or it may not exist\./)
      assert.match(error.message, /PERMISSION_DENIED/)
    }
  })

  it("are processed before they are active, and may fail", async () => {
    const { client, emulator, upload } = await start()
    emulator.setProcessing("alpha", { looks: 2 })
    const made = await upload()
    const name = String(made.name)
    assert.strictEqual(made.state, "PROCESSING")
    const contents = [createPartFromUri(String(made.uri), "text/plain")]
    assert.match((await failure(client.models.generateContent({ model, contents }))).message, /not in an ACTIVE state/)
    assert.strictEqual((await client.files.get({ name })).state, "PROCESSING")
    assert.strictEqual((await client.files.get({ name })).state, "ACTIVE")
    assert.include((await client.models.generateContent({ model, contents })).text, "File 1: notes, 5 bytes")
    emulator.setProcessing("alpha", { looks: 1, ends: "failed" })
    const failing = await upload()
    assert.deepInclude(await client.files.get({ name: String(failing.name) }), { state: FileState.FAILED })
  })

  it("are refused beyond the quota", async () => {
    const { client, emulator, upload } = await start()
    emulator.setQuota("alpha", { bytes: 8 })
    const { name } = await upload("12345")
    const refused = await failure(upload("67890"))
    assert.strictEqual(refused.status, 429)
    assert.match(refused.message, /FileStorageBytesPerProject/)
    await client.files.delete({ name: String(name) })
    await upload("67890")
  })

  it("need a key that is known", async () => {
    const { emulator } = await start()
    const stranger = new GoogleGenAI({ apiKey: "wrong", httpOptions: { baseUrl: emulator.baseUrl } })
    const refused = await failure(stranger.files.get({ name: "files/a" }))
    assert.strictEqual(refused.status, 400)
    assert.match(refused.message, /API_KEY_INVALID/)
  })
})

describe("contents", () => {
  it("are generated from files by URI and from bytes, plain and streamed", async () => {
    const { client, earlier, upload } = await start()
    const { uri } = await upload()
    const contents = [
      createPartFromUri(String(uri), "text/plain"),
      { inlineData: { mimeType: "text/plain", data: Buffer.from("inline!").toString("base64") } },
      "what is this?"
    ]
    for (const { models } of [client, earlier]) {
      const whole = await models.generateContent({ model, contents })
      assert.include(whole.text, `Answer from alpha (model ${model}).`)
      assert.include(whole.text, "File 1: notes, 5 bytes")
      assert.include(whole.text, "File 2: inline, 7 bytes")
      assert.strictEqual(whole.candidates?.[0]?.finishReason, "STOP")
      assert.isAbove(whole.usageMetadata?.candidatesTokenCount ?? 0, 0)
      let text = ""
      let reason: string | undefined
      for await (const chunk of await models.generateContentStream({ model, contents })) {
        text += chunk.text ?? ""
        reason = chunk.candidates?.[0]?.finishReason ?? reason
      }
      assert.deepStrictEqual([text, reason], [whole.text, "STOP"])
    }
  })

  it("name a file by its URI, not by its name", async () => {
    const { client, upload } = await start()
    const { name } = await upload()
    const named = client.models.generateContent({ model, contents: [createPartFromUri(String(name), "text/plain")] })
    assert.strictEqual((await failure(named)).status, 400)
  })

  it("call functions, have the shape that is asked for, and end as the prompt says", async () => {
    const { client } = await start()
    const tools = [{ functionDeclarations: [{ name: "get_time" }, { name: "get_weather" }] }]
    const called = await client.models.generateContent({
      model,
      contents: 'call get_weather {"city":"Oslo"}',
      config: { tools }
    })
    assert.deepStrictEqual(called.functionCalls, [{ name: "get_weather", args: { city: "Oslo" } }])
    const forced = await client.models.generateContent({
      model,
      contents: "hello",
      config: {
        tools,
        toolConfig: {
          functionCallingConfig: { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ["get_weather"] }
        }
      }
    })
    assert.strictEqual(forced.functionCalls?.[0]?.name, "get_weather")
    const shaped = await client.models.generateContent({
      model,
      contents: "hello\nfinish MAX_TOKENS",
      config: {
        responseMimeType: "application/json",
        responseJsonSchema: { type: "object", properties: { ok: { type: "boolean" } } }
      }
    })
    assert.strictEqual(shaped.text, '{"ok":true}')
    assert.strictEqual(shaped.candidates?.[0]?.finishReason, "MAX_TOKENS")
    assert.strictEqual((await client.models.countTokens({ model, contents: "12345678" })).totalTokens, 2)
  })
})

describe("batches", () => {
  const line = (key: string, text: string) =>
    JSON.stringify({ key, request: { contents: [{ role: "user", parts: [{ text }] }] } })

  it("of a file leave a file, whose counts are strings", async () => {
    const { client, earlier, emulator, upload } = await start()
    const lost = JSON.stringify({
      key: "lost",
      request: {
        contents: [{ parts: [{ fileData: { fileUri: `${emulator.baseUrl}/v1beta/files/none`, mimeType: "a/b" } }] }]
      }
    })
    const { name: src } = await upload([line("one", "1"), line("two", "2"), lost].join("\n"), "application/jsonl")
    for (const { batches, files } of [client, earlier]) {
      const created = await batches.create({ model, src: String(src), config: { displayName: "mine" } })
      const name = String(created.name)
      assert.deepInclude(
        { ...created },
        { state: JobState.JOB_STATE_PENDING, displayName: "mine", model: `models/${model}` }
      )
      emulator.advanceBatches("alpha")
      assert.strictEqual((await batches.get({ name })).state, "JOB_STATE_RUNNING")
      emulator.advanceBatches("alpha")
      const ended = await batches.get({ name })
      assert.strictEqual(ended.state, "JOB_STATE_SUCCEEDED")
      const results = String(ended.dest?.fileName)
      const directory = await mkdtemp(join(tmpdir(), "gemini-emulator-"))
      onTestFinished(() => rm(directory, { recursive: true }))
      const downloadPath = join(directory, "results.jsonl")
      await files.download({ file: results, downloadPath })
      const text = await readFile(downloadPath, "utf8")
      assert.deepStrictEqual(
        text
          .trim()
          .split("\n")
          .map((each) => JSON.parse(each) as { key: string; error?: { code: number } })
          .map(({ error, key }) => [key, error?.code]),
        [
          ["one", undefined],
          ["two", undefined],
          ["lost", 403]
        ]
      )
      const direct = await undici(`${emulator.baseUrl}/download/v1beta/${results}:download?alt=media`, {
        headers: { "x-goog-api-key": "g-alpha" }
      })
      assert.strictEqual(await direct.body.text(), text)
      const raw = await undici(`${emulator.baseUrl}/v1beta/${name}`, { headers: { "x-goog-api-key": "g-alpha" } })
      const { done, metadata, response } = (await raw.body.json()) as Record<string, Record<string, unknown>>
      assert.deepStrictEqual(metadata?.["batchStats"], {
        requestCount: "3",
        successfulRequestCount: "2",
        failedRequestCount: "1"
      })
      assert.deepStrictEqual([done, response?.["responsesFile"]], [true as never, results])
    }
  })

  it("of requests in the call have their answers in the job", async () => {
    const { client, emulator } = await start()
    const created = await client.batches.create({
      model,
      src: [{ contents: [{ parts: [{ text: "one" }] }] }, { contents: [{ parts: [{ text: "two" }] }] }],
      config: { displayName: "inline" }
    })
    emulator.setBatches("alpha", { pollsPerStep: 1 })
    const name = String(created.name)
    await client.batches.get({ name })
    const { dest } = await client.batches.get({ name })
    assert.deepStrictEqual(
      dest?.inlinedResponses?.map(({ response }) => /Prompt: (\w+)/.exec(JSON.stringify(response))?.[1]),
      ["one", "two"]
    )
  })

  it("are cancelled, deleted, listed, and fail on lines that are none", async () => {
    const { client, emulator, upload } = await start()
    const { name: src } = await upload("not json\n", "application/jsonl")
    const create = async () =>
      String((await client.batches.create({ model, src: String(src), config: { displayName: "x" } })).name)
    const names = [await create(), await create(), await create()]
    const [first = "", second = ""] = names
    await client.batches.cancel({ name: first })
    assert.strictEqual((await client.batches.get({ name: first })).state, "JOB_STATE_CANCELLED")
    emulator.advanceBatches("alpha")
    assert.strictEqual((await client.batches.get({ name: second })).state, "JOB_STATE_FAILED")
    const listed: Array<string | undefined> = []
    for await (const { name } of await client.batches.list({ config: { pageSize: 2 } })) listed.push(name)
    assert.deepStrictEqual(listed, names.toReversed())
    await client.batches.delete({ name: first })
    assert.strictEqual((await failure(client.batches.get({ name: first }))).status, 404)
  })
})
