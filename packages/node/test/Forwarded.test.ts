/** Calls that go on to a deployment as they are, through a gateway, by the official client. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { toFile } from "openai"
import * as World from "./support/world.ts"

let world: World.World
beforeAll(async () => {
  world = await World.make()
})
afterAll(() => world.close())

const post = (path: string, body: string | FormData, type?: string): Promise<Response> =>
  world.alice.call(path, { method: "POST", body, ...(type === undefined ? {} : { headers: { "content-type": type } }) })

const postJson = (path: string, body: unknown): Promise<Response> =>
  post(path, JSON.stringify(body), "application/json")

const errorOf = async (answer: Response) => {
  const { error } = (await answer.json()) as { readonly error: { readonly param: string | null } }
  return { status: answer.status, param: error.param }
}

describe("a forwarded call", () => {
  it("goes to a deployment under the deployment's own model name", async () => {
    const { openai } = world.alice
    // The official client asks for base64 by itself, and answers numbers.
    for (const format of [{}, { encoding_format: "float" as const }]) {
      const embeddings = await openai.embeddings.create({ model: "model-beta", input: ["a", "b"], ...format })
      assert.strictEqual(embeddings.model, "beta/provider-beta")
      assert.deepStrictEqual(
        embeddings.data.map(({ embedding }) => embedding),
        [
          [0.25, -0.5, 0],
          [0.25, -0.5, 1]
        ]
      )
    }
  })

  it("takes the API's own model where the body names none, if it is configured", async () => {
    const moderation = await world.alice.openai.moderations.create({ input: "hello" })
    assert.strictEqual(moderation.model, "alpha/omni-moderation-latest")
    const answer = await post("/v1/images/generations", '{"prompt":"a cat"}', "application/json")
    assert.deepStrictEqual(await errorOf(answer), { status: 404, param: "model" })
  })

  it("brings answers of any type, byte for byte", async () => {
    const speech = await world.alice.openai.audio.speech.create({ model: "model-alpha", input: "hi", voice: "alloy" })
    assert.strictEqual(speech.headers.get("content-type"), "audio/mpeg")
    const bytes = Buffer.from(await speech.arrayBuffer())
    assert.deepStrictEqual([...bytes.subarray(0, 5)], [0x49, 0x44, 0x33, 0xff, 0x00])
    assert.strictEqual(bytes.subarray(5).toString(), "alpha/provider-alpha")
  })

  it("takes forms, whose files arrive as they were sent", async () => {
    const content = Buffer.from(`--not-a-boundary\r\nmodel\r\n${"\u0000\u00ff".repeat(50_000)}`, "latin1")
    const sha256 = createHash("sha256").update(content).digest("hex").slice(0, 16)
    for (const file of [await toFile(content, "a.mp3"), await toFile(content, 'odd "name"\r\n.mp3')]) {
      const { text } = await world.alice.openai.audio.transcriptions.create({ file, model: "model-beta" })
      assert.match(text, /^beta\/provider-beta: /)
      assert.include(text, `${content.byteLength} bytes, ${sha256}`)
    }
  })

  it("goes to the next deployment when one fails", async () => {
    const fault = world.openai.fault({ account: "alpha", route: "forwarded", kind: { status: 500 } })
    for (let call = 0; call < 3; call++) {
      const { model } = await world.alice.openai.embeddings.create({ model: "shared", input: "a" })
      assert.strictEqual(model, "beta/provider-beta")
    }
    fault.clear()
  })

  it("names what is wrong with a body", async () => {
    const json = "application/json"
    assert.deepStrictEqual(await errorOf(await post("/v1/embeddings", '{"input":"a"}', json)), {
      status: 400,
      param: "model"
    })
    assert.deepStrictEqual(await errorOf(await post("/v1/embeddings", '{"model":"none"}', json)), {
      status: 404,
      param: "model"
    })
    assert.strictEqual((await post("/v1/embeddings", '{"model"', json)).status, 400)
    const form = "multipart/form-data; boundary=b"
    assert.strictEqual((await post("/v1/audio/transcriptions", "no form", form)).status, 400)
    assert.strictEqual((await post("/v1/audio/transcriptions", "no form", "multipart/form-data")).status, 400)
    assert.strictEqual((await post("/v1/embeddings", "model=a", "application/x-www-form-urlencoded")).status, 415)
    assert.strictEqual((await post("/v1/nothing", "{}", json)).status, 404)
  })

  it("takes paths that the installation adds, with files anywhere in them", async () => {
    const file = await world.alice.upload("a frame")
    const body = { model: "model-beta", shots: [{ reference: { file_id: file } }], more: { file_ids: [file] } }
    const answer = await postJson("/v1/videos", body)
    const { given, model } = (await answer.json()) as { readonly given: typeof body; readonly model: string }
    assert.strictEqual(model, "beta/provider-beta")
    const [copy] = world.openai
      .files("beta")
      .filter(({ filename }) => filename === "notes.txt")
      .slice(-1)
    assert.deepStrictEqual(given, {
      model: "provider-beta",
      shots: [{ reference: { file_id: copy?.id ?? "" } }],
      more: { file_ids: [copy?.id ?? ""] }
    })
  })

  it("asks nobody for what is not the caller's", async () => {
    const { alice, bob } = world
    const file = await bob.upload("his")
    const response = await bob.openai.responses.create({ model: "model-alpha", input: "hello" })
    const form = new FormData()
    form.set("model", "model-alpha")
    form.set("image[file_id]", file)
    const before = world.openai.journal.length
    for (const answer of [
      await post("/v1/images/edits", form),
      await postJson("/v1/images/edits", { model: "model-alpha", images: [{ file_id: file }] }),
      await postJson("/v1/images/edits", { model: "model-alpha", mask: { file_id: file } }),
      await postJson("/v1/videos", { model: "model-alpha", deep: [[{ file_ids: [file] }]] }),
      await postJson("/v1/responses/input_tokens", { model: "model-alpha", previous_response_id: response.id }),
      await postJson("/v1/responses/compact", { model: "model-alpha", input: [{ content: [{ file_id: file }] }] })
    ]) {
      const { param, status } = await errorOf(answer)
      assert.strictEqual(status, 404)
      assert.isNotNull(param)
    }
    assert.strictEqual(world.openai.journal.length, before)
    assert.strictEqual((await alice.call(`/v1/files/${file}`)).status, 404)
  })
})
