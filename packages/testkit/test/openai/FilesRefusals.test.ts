import { assert, describe, it } from "@effect/vitest"
import { AuthenticationError, BadRequestError, NotFoundError } from "openai"
import { request as undici } from "undici"
import { clientOf, failure, field, file, multipart, post, start, upload } from "./harness.ts"
import type { Part } from "./harness.ts"

describe("refusals", () => {
  const good = [field("purpose", "batch"), file(Buffer.from("x"))]
  const life = (anchor: string, seconds: string): Array<Part> => [
    field("expires_after[anchor]", anchor),
    field("expires_after[seconds]", seconds)
  ]
  it.each<[string, ReadonlyArray<Part>, string | null]>([
    ["no file", [field("purpose", "batch")], "file"],
    ["a file field without a filename", [field("purpose", "batch"), field("file", "text")], "file"],
    ["two files", [...good, file(Buffer.from("y"))], "file"],
    ["no purpose", [file(Buffer.from("x"))], "purpose"],
    ["an unknown purpose", [field("purpose", "fun"), file(Buffer.from("x"))], "purpose"],
    ["an output purpose", [field("purpose", "batch_output"), file(Buffer.from("x"))], "purpose"],
    ["a foreign field", [...good, field("target_model_names", "a")], "target_model_names"],
    ["a life too short", [...good, ...life("created_at", "3599")], "expires_after[seconds]"],
    ["a life too long", [...good, ...life("created_at", "2592001")], "expires_after[seconds]"],
    ["a life that is no number", [...good, ...life("created_at", "1h")], "expires_after[seconds]"],
    ["another anchor", [...good, ...life("last_used", "3600")], "expires_after[anchor]"],
    ["an anchor alone", [...good, field("expires_after[anchor]", "created_at")], "expires_after[seconds]"],
    ["seconds alone", [...good, field("expires_after[seconds]", "3600")], "expires_after[anchor]"]
  ])("an upload with %s", async (_, parts, param) => {
    const { emulator } = await start()
    const { body, status } = await post(emulator, multipart(parts))
    assert.strictEqual(status, 400)
    const error = body["error"] as unknown as Record<string, unknown>
    assert.strictEqual(error["type"], "invalid_request_error")
    assert.strictEqual(error["param"], param)
    assert.deepStrictEqual(emulator.files("alpha"), [])
  })

  it.each<[string, Buffer, string | undefined]>([
    ["no closing boundary", multipart(good, ""), undefined],
    ["an empty body", Buffer.alloc(0), undefined],
    [
      "more fields than anyone needs",
      multipart([...good, ...Array.from({ length: 1_001 }, () => good[0]!)]),
      undefined
    ],
    ["no boundary", multipart(good), "multipart/form-data"],
    ["another content type", Buffer.from("{}"), "application/json"]
  ])("an upload with %s", async (_, bytes, contentType) => {
    const { emulator } = await start()
    const { body, status } = await post(emulator, bytes, contentType)
    assert.strictEqual(status, 400)
    assert.match(String((body["error"] as unknown as { message: string }).message), /multipart/)
    assert.deepStrictEqual(emulator.files("alpha"), [])
  })

  it("a wrong key and a missing key, before anything else", async () => {
    const { emulator } = await start()
    const wrong = await failure(upload(clientOf(emulator, "sk-wrong-key-0000")))
    assert.instanceOf(wrong, AuthenticationError)
    assert.deepStrictEqual([wrong.code, wrong.type, wrong.param], [
      "invalid_api_key",
      "invalid_request_error",
      null
    ] as Array<string | null>)
    const none = await undici(`${emulator.baseUrl}/models`)
    assert.strictEqual(none.statusCode, 401)
    await none.body.dump()
    assert.deepStrictEqual(
      emulator.journal.map((entry) => [entry.account, entry.status]),
      [
        [undefined, 401],
        [undefined, 401]
      ]
    )
  })

  it("an id that is missing, on every route that takes one", async () => {
    const { client } = await start()
    for (const call of [
      () => client.files.retrieve("file-none"),
      () => client.files.delete("file-none"),
      () => client.files.content("file-none")
    ]) {
      const missing = await failure(call())
      assert.instanceOf(missing, NotFoundError)
      assert.deepStrictEqual(missing.error, {
        message: "No such File object: file-none",
        type: "invalid_request_error",
        param: "id",
        code: null
      })
      assert.match(missing.requestID ?? "", /^req_/)
    }
  })

  it.each([
    ["limit=0", "limit"],
    ["limit=10001", "limit"],
    ["limit=x", "limit"],
    ["order=up", "order"],
    ["purpose=fun", "purpose"],
    ["after=file-none", "after"]
  ])("a list with %s", async (query, param) => {
    const { client } = await start()
    const refused = await failure(client.get(`/files?${query}`))
    assert.instanceOf(refused, BadRequestError)
    assert.strictEqual(refused.param, param)
  })

  it("an unknown address and a wrong method", async () => {
    const { client } = await start()
    assert.instanceOf(await failure(client.get("/fils")), NotFoundError)
    const refused = await failure(client.put("/files", { body: {} }))
    assert.deepStrictEqual([refused.status, refused.code] as Array<unknown>, [405, "method_not_supported"])
  })
})
