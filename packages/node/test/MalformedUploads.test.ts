import { assert, describe, it } from "@effect/vitest"
import { refused } from "@omnifile/testkit/host/checks"
import * as FormBody from "@omnifile/testkit/host/FormBody"
import { standalone } from "./support/standalone.ts"

const host = standalone()

const post = (path: string, body: string | Uint8Array, type: string) =>
  host().call(path, { method: "POST", headers: { "content-type": type }, body })

const begun = async (): Promise<string> => {
  const body = { bytes: 4, filename: "a.txt", mime_type: "text/plain", purpose: "user_data" }
  const answer = await post("/v1/uploads", JSON.stringify(body), "application/json")
  return ((await answer.body.json()) as { readonly id: string }).id
}

describe("the body of an upload is refused that is", () => {
  const bodies: Readonly<Record<string, string>> = {
    nothing: "",
    "half of an object": '{"bytes":4,',
    "something after the object": "{}x",
    null: "null",
    text: '"text"',
    "a million open braces": '{"a":'.repeat(1_000_000),
    "an object within a million others": `${'{"bytes":'.repeat(1_000_000)}1${"}".repeat(1_000_000)}`,
    "an object with names that objects have": '{"__proto__":{"bytes":4},"constructor":{"filename":"a"}}'
  }
  it.each(Object.entries(bodies))("%s", async (_, body) => {
    const id = await begun()
    for (const path of ["/v1/uploads", `/v1/uploads/${id}/complete`]) {
      await refused(await post(path, body, "application/json"), 400)
    }
  })
})

describe("a part is refused that", () => {
  const data = (content: string): FormBody.Part => ({
    headers: ['content-disposition: form-data; name="data"; filename="part"'],
    content
  })
  const { encode } = FormBody
  const forms: Readonly<Record<string, readonly [body: Uint8Array, param: string | null]>> = {
    "has no end": [FormBody.begin(data("abcd")), null],
    "is cut": [encode(data("abcd")).subarray(0, -40), null],
    "is called file": [encode(FormBody.file("part", "abcd")), "file"],
    "has no file name": [encode(FormBody.field("data", "abcd")), "data"],
    "is not there": [encode(), "data"],
    "comes twice": [encode(data("ab"), data("cd")), "data"],
    "is empty": [encode(data("")), "data"]
  }
  it.each(Object.entries(forms))("%s", async (_, [body, param]) => {
    const { storage } = host()
    const id = await begun()
    const before = storage.contents()
    const error = await refused(await post(`/v1/uploads/${id}/parts`, body, FormBody.contentType), 400)
    assert.strictEqual(error.param, param)
    await storage.until(() => storage.contents().length === before.length)
  })

  it("is for nothing that an upload could be", async () => {
    const file = encode(data("abcd"))
    for (const id of ["none", "upload_", "..", "%2e%2e", "file-none", `upload_${"x".repeat(9_000)}`]) {
      const answer = await post(`/v1/uploads/${id}/parts`, file, FormBody.contentType)
      await refused(answer, 404)
    }
  })
})
