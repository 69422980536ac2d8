/** A host takes files in parts: side by side, in the order that the client says, and from the official client. */
import { assert, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { toFile } from "openai"
import type OpenAI from "openai"
import { failure, refused } from "./checks.ts"
import * as FormBody from "./FormBody.ts"
import { modelOf } from "./Installation.ts"
import type { RunningHost } from "./RunningHost.ts"

const path = "/v1/uploads"

const begin = (
  { openai }: RunningHost,
  bytes: number,
  fields: Readonly<Record<string, unknown>> = {},
  options: OpenAI.RequestOptions = {}
): Promise<OpenAI.Upload> =>
  openai.uploads.create(
    { bytes, filename: "parts.txt", mime_type: "text/plain", purpose: "user_data", ...fields },
    options
  )

const addPart = async ({ openai }: RunningHost, upload: string, content: string): Promise<string> => {
  const part = await openai.uploads.parts.create(upload, { data: await toFile(Buffer.from(content), "blob") })
  assert.strictEqual(part.object, "upload.part")
  assert.strictEqual(part.upload_id, upload)
  return part.id
}

const json = { "content-type": "application/json" }

export const register = (host: () => RunningHost): void => {
  it("makes a file of parts that the official client sends side by side", async () => {
    const { emulator, openai } = host()
    const contents = ["one, ", "two, ", `${"three ".repeat(100_000)}`]
    const whole = contents.join("")
    const upload = await begin(host(), whole.length, { target_model_names: [modelOf("alpha")] })
    assert.strictEqual(upload.object, "upload")
    assert.strictEqual(upload.status, "pending")
    assert.strictEqual(upload.expires_at - upload.created_at, 3_600)
    const parts = await Promise.all(contents.toReversed().map((content) => addPart(host(), upload.id, content)))
    const part_ids = parts.toReversed()
    const md5 = createHash("md5").update(whole).digest("hex")
    const completed = await openai.uploads.complete(upload.id, { part_ids, md5 })
    assert.strictEqual(completed.id, upload.id)
    assert.strictEqual(completed.status, "completed")
    const { file } = completed
    if (file === null || file === undefined) return assert.fail("there is no file")
    assert.strictEqual(file.bytes, whole.length)
    assert.strictEqual(file.filename, "parts.txt")
    assert.strictEqual(await (await openai.files.content(file.id)).text(), whole)
    const sent = await emulator.waitFor((entry) => entry.account === "alpha" && entry.upload?.filename === "parts.txt")
    assert.strictEqual(sent.upload?.sha256, createHash("sha256").update(whole).digest("hex"))
    assert.deepStrictEqual((await openai.uploads.complete(upload.id, { part_ids, md5 })).file, file)
    assert.propertyVal(await failure(openai.uploads.complete(upload.id, { part_ids: parts })), "status", 400)
  })

  it("refuses what cannot be an upload, naming the field, and takes the rest after that", async () => {
    const { call, openai } = host()
    const wrong = await failure(begin(host(), 0))
    assert.propertyVal(wrong, "status", 400)
    assert.propertyVal(wrong, "param", "bytes")
    const post = (suffix: string, body: string, headers: Readonly<Record<string, string>> = json) =>
      call(path + suffix, { method: "POST", headers, body })
    await refused(await post("", "[]"), 400)
    await refused(await post("", "a=b", { "content-type": "application/x-www-form-urlencoded" }), 415)
    const upload = await begin(host(), 4)
    const form = { "content-type": FormBody.contentType }
    const nothing = FormBody.encode(FormBody.field("note", "no part"))
    const answer = await call(`${path}/${upload.id}/parts`, { method: "POST", headers: form, body: nothing })
    assert.strictEqual((await refused(answer, 400)).param, "data")
    await refused(await post(`/${upload.id}/parts`, "{}"), 415)
    assert.strictEqual((await refused(await post(`/${upload.id}/complete`, "{}"), 400)).param, "part_ids")
    const short = await addPart(host(), upload.id, "abc")
    assert.propertyVal(await failure(openai.uploads.complete(upload.id, { part_ids: [short] })), "param", "part_ids")
    const rest = await addPart(host(), upload.id, "d")
    assert.strictEqual((await openai.uploads.complete(upload.id, { part_ids: [short, rest] })).file?.bytes, 4)
  })

  it("cancels an upload, and knows none that is not there", async () => {
    const { openai, storage } = host()
    const blobs = (): number => storage.contents().filter((line) => line.startsWith("blob")).length
    const before = blobs()
    const upload = await begin(host(), 4)
    await addPart(host(), upload.id, "abcd")
    assert.strictEqual((await openai.uploads.cancel(upload.id)).status, "cancelled")
    assert.propertyVal(await failure(addPart(host(), upload.id, "abcd")), "status", 400)
    // Fewer, when what an earlier upload left has gone meanwhile.
    await storage.until(() => blobs() <= before)
    for (const id of ["upload_none", upload.id.toUpperCase()]) {
      const error = await failure(openai.uploads.cancel(id))
      assert.propertyVal(error, "status", 404)
    }
  })

  it("begins one upload, and adds one part, for one Idempotency-Key", async () => {
    const options = { headers: { "idempotency-key": "one upload" } }
    const [first, second] = await Promise.all([begin(host(), 4, {}, options), begin(host(), 4, {}, options)])
    assert.strictEqual(first.id, second.id)
    assert.propertyVal(await failure(begin(host(), 5, {}, options)), "status", 409)
    const { parts } = host().openai.uploads
    const add = (content: string) =>
      parts.create(first.id, { data: new File([content], "part") }, { headers: { "idempotency-key": "one part" } })
    assert.strictEqual((await add("abcd")).id, (await add("abcd")).id)
    assert.propertyVal(await failure(add("efgh")), "status", 409)
  })
}
