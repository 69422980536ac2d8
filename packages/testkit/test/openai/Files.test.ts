import { assert, describe, it, onTestFinished } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import { createHash, randomBytes } from "node:crypto"
import { createReadStream } from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Readable } from "node:stream"
import { BadRequestError, NotFoundError, toFile } from "openai"
import * as OpenAIEmulator from "../../src/OpenAIEmulator.ts"
import { ask, boundary, clientOf, failure, field, file, multipart, post, sha256, start, upload } from "./harness.ts"
import type { Part } from "./harness.ts"

describe("files", () => {
  it("creates from a buffer, then retrieves and deletes", async () => {
    const { client, emulator } = await start({ now: () => 1_700_000_000_999 })
    const created = await client.files.create({
      purpose: "user_data",
      file: await toFile(Buffer.from("hello"), "notes.txt", { type: "text/plain" })
    })
    assert.match(created.id, /^file-[A-Za-z0-9]{24}$/)
    assert.deepStrictEqual(
      { ...created },
      {
        object: "file",
        id: created.id,
        purpose: "user_data",
        filename: "notes.txt",
        bytes: 5,
        created_at: 1_700_000_000,
        status: "processed"
      }
    )
    assert.deepStrictEqual({ ...(await client.files.retrieve(created.id)) }, { ...created })
    const [stored] = emulator.files("alpha")
    assert.strictEqual(stored?.sha256, sha256(Buffer.from("hello")))
    assert.strictEqual(stored?.contentType, "text/plain")

    assert.deepStrictEqual(
      { ...(await client.files.delete(created.id)) },
      { object: "file", deleted: true, id: created.id }
    )
    assert.instanceOf(await failure(client.files.retrieve(created.id)), NotFoundError)
    assert.deepStrictEqual(emulator.files("alpha"), [])
  })

  it("creates from a file stream, which goes out chunked", async () => {
    const { client, emulator } = await start()
    const directory = await mkdtemp(join(tmpdir(), "openai-emulator-"))
    onTestFinished(() => rm(directory, { recursive: true }))
    const bytes = randomBytes(300_000)
    const path = join(directory, "data.jsonl")
    await writeFile(path, bytes)

    const created = await client.files.create({ purpose: "batch", file: createReadStream(path) })
    assert.strictEqual(created.bytes, 300_000)
    assert.strictEqual(created.filename, "data.jsonl")
    const content = await client.files.content(created.id)
    assert.isTrue(Buffer.from(await content.arrayBuffer()).equals(bytes))
    const entry = emulator.journal[0]
    assert.strictEqual(entry?.upload?.sha256, sha256(bytes))
    assert.strictEqual(entry?.route, "files.create")
  })

  it("takes the purpose before or after the file and journals the order", async () => {
    const { client, emulator } = await start()
    const first = await client.files.create({ purpose: "vision", file: await toFile(Buffer.from("1"), "1.png") })
    const second = await client.files.create({ file: await toFile(Buffer.from("2"), "2.png"), purpose: "evals" })
    assert.deepStrictEqual([first.purpose, second.purpose] as Array<string>, ["vision", "evals"])
    assert.deepStrictEqual(
      emulator.journal.map((entry) => entry.upload?.partOrder),
      [
        ["purpose", "file"],
        ["file", "purpose"]
      ]
    )
  })

  it("stores exact bytes whatever the order of the parts and the cuts between reads", async () => {
    const { emulator } = await start()
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 5_000 }),
        fc.shuffledSubarray([field("purpose", "batch"), field("expires_after[anchor]", "created_at")], {
          minLength: 2
        }),
        fc.nat({ max: 2 }),
        fc.integer({ min: 1, max: 700 }),
        async (bytes, fields, at, step) => {
          const parts: Array<Part> = [...fields, field("expires_after[seconds]", "3600")]
          parts.splice(at, 0, file(bytes))
          const whole = multipart(parts)
          const pieces = Array.from({ length: Math.ceil(whole.length / step) }, (_, index) =>
            whole.subarray(index * step, (index + 1) * step)
          )
          const { status } = await post(emulator, Readable.from(pieces))
          assert.strictEqual(status, 200)
          const stored = emulator.files("alpha").at(-1)
          assert.strictEqual(stored?.sha256, sha256(bytes))
          assert.strictEqual(stored?.bytes, bytes.byteLength)
          const entry = emulator.journal.at(-1)
          assert.isTrue(entry?.chunked)
          assert.strictEqual(entry?.bytes, whole.byteLength)
          assert.deepStrictEqual(
            entry.upload?.partOrder,
            parts.map(({ name }) => name)
          )
        }
      ),
      { numRuns: 40 }
    )
  })

  it("keeps only size and digest of a file over the limit", async () => {
    const { client, emulator } = await start({ keepBytes: 1_000_000 })
    const piece = randomBytes(1_000_000)
    const pieces = function* () {
      yield multipart([field("purpose", "batch"), file(Buffer.alloc(0), "large.jsonl")], "").subarray(0, -2)
      for (let count = 0; count < 32; count += 1) yield piece
      yield Buffer.from(`\r\n--${boundary}--\r\n`)
    }
    const { body, status } = await post(emulator, Readable.from(pieces()))
    assert.strictEqual(status, 200)
    const [stored] = emulator.files("alpha")
    assert.strictEqual(stored?.bytes, 32_000_000)
    assert.strictEqual(stored?.content, undefined)
    const digest = createHash("sha256")
    for (let count = 0; count < 32; count += 1) digest.update(piece)
    assert.strictEqual(stored?.sha256, digest.digest("hex"))
    const refused = await failure(client.files.content(String(body["id"])))
    assert.strictEqual(refused.code, "content_not_kept")
  })

  it("lists newest first, pages by cursor, filters by purpose", async () => {
    const { client } = await start({ now: () => 1_700_000_000_000 })
    const ids: Array<string> = []
    for (let count = 0; count < 7; count += 1) ids.push((await upload(client, `${count}.txt`)).id)
    const batch = await client.files.create({ purpose: "batch", file: await toFile(Buffer.from("{}"), "b.jsonl") })

    const newestFirst: Array<string> = []
    for await (const each of client.files.list({ limit: 3, purpose: "user_data" })) newestFirst.push(each.id)
    assert.deepStrictEqual(newestFirst, ids.toReversed())

    const page = await client.files.list({ limit: 3, order: "asc" })
    assert.isTrue(page.has_more)
    assert.deepStrictEqual(
      page.data.map(({ id }) => id),
      ids.slice(0, 3)
    )
    assert.deepStrictEqual(
      (await client.files.list({ purpose: "batch" })).data.map(({ id }) => id),
      [batch.id]
    )
  })

  it("keeps the place of a cursor whose file was deleted", async () => {
    const { client, emulator } = await start()
    for (let count = 0; count < 5; count += 1) await upload(client, `${count}.txt`)
    for await (const each of client.files.list({ limit: 2 })) await client.files.delete(each.id)
    assert.deepStrictEqual(emulator.files("alpha"), [])
    const empty = await client.files.list()
    assert.deepStrictEqual(empty.data, [])
  })

  it("answers first_id, last_id and has_more", async () => {
    const { client } = await start()
    const [one, two, three] = [await upload(client), await upload(client), await upload(client)]
    const get = async (query: string) =>
      (await client.get(`/files${query}`)) as { first_id: string; last_id: string; has_more: boolean; object: string }
    const { data: _, ...page } = (await get("?limit=2")) as unknown as Record<string, unknown>
    assert.deepStrictEqual(page, { object: "list", first_id: three.id, last_id: two.id, has_more: true })
    const rest = await get(`?limit=2&after=${two.id}`)
    assert.deepStrictEqual([rest.first_id, rest.last_id, rest.has_more], [one.id, one.id, false])
    const empty = await get("?purpose=batch")
    assert.deepStrictEqual([empty.first_id, empty.last_id], [null, null] as unknown as [string, string])
  })

  it.each(["user_data", "assistants", "vision"] as const)("refuses to give back the content of %s", async (purpose) => {
    const { client } = await start()
    const created = await client.files.create({ purpose, file: await toFile(Buffer.from("x"), "x.png") })
    const refused = await failure(client.files.content(created.id))
    assert.instanceOf(refused, BadRequestError)
    assert.match(refused.message, new RegExp(`Not allowed to download files of purpose: ${purpose}`))
  })

  it("keeps a filename as it was sent", async () => {
    const { client, emulator } = await start()
    await upload(client, 'naïve "quoted".txt')
    const { body } = await post(emulator, multipart([field("purpose", "batch"), file(Buffer.from("x"), "../up/a.b")]))
    assert.strictEqual(body["filename"], "../up/a.b")
    assert.deepStrictEqual(
      emulator.files("alpha").map(({ filename }) => filename),
      ["naïve %22quoted%22.txt", "../up/a.b"]
    )
    const content = await client.files.content(String(body["id"]))
    assert.match(content.headers.get("content-disposition") ?? "", /a\.b/)
  })

  it.effect("expires files by the fiber's clock", () =>
    Effect.gen(function* () {
      const emulator = yield* OpenAIEmulator.make({ accounts: [{ name: "alpha", key: "sk-alpha" }] })
      const client = clientOf(emulator)
      const created = yield* Effect.promise(async () =>
        client.files.create({
          purpose: "user_data",
          file: await toFile(Buffer.from("x"), "x.txt"),
          expires_after: { anchor: "created_at", seconds: 3600 }
        })
      )
      assert.strictEqual(created.expires_at, created.created_at + 3600)
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual((yield* Effect.promise(() => client.files.retrieve(created.id))).id, created.id)
      yield* TestClock.adjust("1 minute")
      const gone = yield* Effect.promise(() => failure(client.files.retrieve(created.id)))
      assert.instanceOf(gone, NotFoundError)
      assert.strictEqual((yield* Effect.promise(() => client.files.list())).data.length, 0)
      const chat = client.chat.completions.create({ model: "m", messages: ask(created.id) })
      assert.instanceOf(yield* Effect.promise(() => failure(chat)), BadRequestError)
    })
  )

  it("gives batch files thirty days", async () => {
    const { client } = await start()
    const batch = await client.files.create({ purpose: "batch", file: await toFile(Buffer.from("{}"), "b.jsonl") })
    assert.strictEqual(batch.expires_at, batch.created_at + 2_592_000)
  })
})
