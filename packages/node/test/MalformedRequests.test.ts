import { assert, describe, it } from "@effect/vitest"
import { MiB, upload, zeros } from "@omnifile/testkit/host/checks"
import * as FormBody from "@omnifile/testkit/host/FormBody"
import { modelOf } from "@omnifile/testkit/host/Installation"
import { assertRefusal, outcomeOf, postForm, postJson, standalone, traces } from "./support/standalone.ts"
import { gzipSync } from "node:zlib"

const host = standalone()

const chat = (members: string): string => `{"model":"${modelOf("alpha")}","messages":[]${members}}`

interface Case {
  readonly body: string | Uint8Array
  readonly contentType?: string
  /** Default: 400. */
  readonly statuses?: ReadonlyArray<number>
  readonly param: string | null
}

const bodies: Readonly<Record<string, Case>> = {
  "no body": { body: "", param: null },
  "only spaces": { body: " \n ", param: null },
  text: { body: "hello", param: null },
  "half of an object": { body: '{"model":"x","messages":[', param: null },
  "something after the object": { body: `${chat("")}x`, param: null },
  "a byte order mark": { body: `\uFEFF${chat("")}`, param: null },
  "a trailing comma": { body: chat(","), param: null },
  "single quotes": { body: "{'model':'x'}", param: null },
  "a million open braces": { body: '{"a":'.repeat(1_000_000), param: null },
  "a million open brackets": { body: "[".repeat(1_000_000), param: null },
  "a million closed brackets": { body: chat(`,"deep":${"[".repeat(500_000)}${"]".repeat(500_000)}`), param: null },
  "an array": { body: "[]", param: "model" },
  null: { body: "null", param: "model" },
  "no model": { body: '{"messages":[]}', param: "model" },
  "a model that is a number": { body: '{"model":1,"messages":[]}', param: "model" },
  "a model of invalid UTF-8": {
    body: Buffer.concat([Buffer.from('{"model":"'), Buffer.from([0xff, 0xc3]), Buffer.from('","messages":[]}')]),
    param: null
  },
  "an unknown model": { body: '{"model":"model-none","messages":[]}', statuses: [404], param: "model" },
  "a model that is a property of objects": {
    body: '{"model":"__proto__","messages":[]}',
    statuses: [404],
    param: "model"
  },
  "a model of 1 MiB": { body: `{"model":"${"x".repeat(MiB)}","messages":[]}`, statuses: [400, 404], param: "model" },
  "no messages": { body: `{"model":"${modelOf("alpha")}"}`, param: "messages" },
  "messages that are text": { body: `{"model":"${modelOf("alpha")}","messages":"hi"}`, param: "messages" },
  "a file ID that is a number": {
    body: `{"model":"${modelOf("alpha")}","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":7}}]}]}`,
    param: "messages[0].content[0].file.file_id"
  },
  "an unknown file ID": {
    body: `{"model":"${modelOf("alpha")}","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-none"}}]}]}`,
    statuses: [400, 404],
    param: "messages[0].content[0].file.file_id"
  },
  "text that says it is text": { body: chat(""), contentType: "text/plain", statuses: [415], param: null },
  "a form": { body: FormBody.encode(), contentType: FormBody.contentType, statuses: [415], param: null }
}

describe("a chat call is refused for", () => {
  it.each(Object.entries(bodies))("%s", async (_, { body, contentType, param, statuses = [400] }) => {
    const before = traces(host())
    await assertRefusal(host(), await postJson(host(), body, contentType), statuses, param)
    await before.assertUnchanged()
  })

  it("a body that is compressed, and so is an upload", async () => {
    const before = traces(host())
    const { call } = host()
    for (const [path, type] of [
      ["/v1/chat/completions", "application/json"],
      ["/v1/files", FormBody.contentType]
    ] as const) {
      const outcome = await outcomeOf(
        call(path, {
          method: "POST",
          headers: { "content-type": type, "content-encoding": "gzip" },
          body: gzipSync(chat(""))
        })
      )
      const { message } = await assertRefusal(host(), outcome, [415], null)
      assert.include(message, "content-encoding")
    }
    const plain = { "content-type": "application/json", "content-encoding": "identity" }
    const body = chat("").replace("[]", '[{"role":"user","content":"hello"}]')
    await before.assertUnchanged()
    assert.strictEqual(
      (await outcomeOf(call("/v1/chat/completions", { method: "POST", headers: plain, body }))).status,
      200
    )
  })

  it("100 MB, of known length or not", async () => {
    const before = traces(host())
    await assertRefusal(host(), await postJson(host(), new Uint8Array(100_000_000)), [413], null)
    await assertRefusal(host(), await postJson(host(), zeros(100_000_000)), [413], null)
    await before.assertUnchanged()
  })
})

describe("names that objects have", () => {
  it("pass through a chat call untouched", async () => {
    const member = ',"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}'
    const body = chat(member).replace("[]", '[{"role":"user","content":"hello"}]')
    assert.strictEqual((await postJson(host(), body)).status, 200)
    assert.include(host().emulator.journal.at(-1)?.body, member)
    assert.notProperty({}, "polluted")
  })

  it("are as good as any other in a form", async () => {
    const names = ["__proto__", "__proto__[polluted]", "constructor", "hasOwnProperty", "toString", "valueOf"]
    const { status, text } = await postForm(
      host(),
      FormBody.encode(
        ...names.map((name) => FormBody.field(name, "polluted")),
        FormBody.field("purpose", "user_data"),
        FormBody.field("target_model_names", modelOf("alpha")),
        FormBody.file("polluted.txt", "polluted")
      )
    )
    assert.strictEqual(status, 200, text)
    assert.deepStrictEqual(host().emulator.journal.at(-1)?.upload?.partOrder, ["purpose", "file"])
    assert.notProperty({}, "polluted")
  })
})

describe("an odd upload that is taken all the same", () => {
  const { boundary, encode, field, file } = FormBody
  const some = file("some.txt", "some content")
  const purpose = field("purpose", "user_data")
  const whole = encode(purpose, some).toString()
  const odd: Readonly<Record<string, { readonly body: string | Uint8Array; readonly contentType?: string }>> = {
    "the same purpose twice": { body: encode(purpose, purpose, some) },
    "text before the first boundary": { body: `This is a form.\r\n${whole}` },
    "text after the last boundary": { body: `${whole}This was a form.\r\n` },
    "no line break after the last boundary": { body: whole.slice(0, -2) },
    "a quoted boundary": { body: whole, contentType: `multipart/form-data; boundary="${boundary}"` },
    "a parameter after the boundary": {
      body: whole,
      contentType: `multipart/form-data; boundary=${boundary}; charset=utf-8`
    },
    "capitals in the headers": {
      body: whole.replaceAll("content-disposition: form-data", "Content-DISPOSITION:FORM-DATA"),
      contentType: `Multipart/Form-Data; BOUNDARY=${boundary}`
    },
    "a header that is folded": { body: whole.replace("; filename=", ";\r\n filename=") },
    "a field with a content type": {
      body: encode({ headers: [...purpose.headers, "content-type: text/plain"], content: "user_data" }, some)
    },
    "blanks and doubles among the models": {
      body: encode(purpose, field("target_model_names", ` ,${modelOf("alpha")}, ,${modelOf("alpha")},`), some)
    }
  }
  it.each(Object.entries(odd))("%s", async (_, { body, contentType }) => {
    const { status, text } = await postForm(host(), body, contentType)
    assert.strictEqual(status, 200, text)
    assert.propertyVal(JSON.parse(text), "bytes", 12)
    assert.propertyVal(JSON.parse(text), "filename", "some.txt")
  })

  it("an empty file", async () => {
    const { status, text } = await postForm(host(), encode(purpose, file("empty.txt", "")))
    assert.strictEqual(status, 200, text)
    const { bytes, id } = JSON.parse(text) as { readonly bytes: number; readonly id: string }
    assert.strictEqual(bytes, 0)
    const { body, headers, statusCode } = await host().call(`/v1/files/${id}/content`)
    assert.strictEqual(await body.text(), "")
    assert.strictEqual(statusCode, 200)
    assert.strictEqual(headers["content-length"], "0")
  })

  it("content that is full of boundaries", async () => {
    const content = `\r\n--${boundary.slice(0, -1)}\r\n--\r\n-----${boundary}\r\n--${boundary.toUpperCase()}--\r\n\r\n--`
    const { text } = await postForm(host(), encode(purpose, file("boundaries.txt", content)))
    const { id } = JSON.parse(text) as { readonly id: string }
    assert.strictEqual((await outcomeOf(host().call(`/v1/files/${id}/content`))).text, content)
  })
})

describe("a list is refused for", () => {
  const queries: Readonly<Record<string, ReadonlyArray<string>>> = {
    limit: [
      "limit=0",
      "limit=10001",
      "limit=-1",
      "limit=ten",
      "limit=",
      "limit=1.5",
      "limit=1e2",
      "limit=0x10",
      "limit=%00",
      `limit=${"9".repeat(400)}`
    ],
    order: ["order=up", "order=", "order=DESC", "order=asc%00"],
    purpose: ["purpose=misc", "purpose=", "purpose=user_data%20"],
    after: ["after=", "after=file-none", "after=%00", "after=%E0%A4%A", `after=${"x".repeat(8_000)}`]
  }
  const cases = Object.entries(queries).flatMap(([param, values]) =>
    values.map((query) => [query.slice(0, 60), query, param] as const)
  )
  it.each(cases)("%s", async (_, query, param) => {
    await assertRefusal(host(), await outcomeOf(host().call(`/v1/files?${query}`)), [400], param)
  })
})

describe("a file is not known by", () => {
  const last = (id: string): string => id.slice(-1)
  const spellings: Readonly<Record<string, (id: string) => string>> = {
    padding: (id) => `${id}==`,
    "another case": (id) => id.toUpperCase(),
    "another prefix": (id) => id.replace("file-", "batch_"),
    "no prefix": (id) => id.replace("file-", ""),
    "a letter more": (id) => `${id}A`,
    "a letter less": (id) => id.slice(0, -1),
    "another letter": (id) => `${id.slice(0, 20)}${id[20] === "A" ? "B" : "A"}${id.slice(21)}`,
    "other unused bits": (id) => id.slice(0, -1) + String.fromCharCode(last(id).charCodeAt(0) ^ 1),
    "a space after it": (id) => `${id}%20`,
    "a NUL after it": (id) => `${id}%00`,
    "a line break after it": (id) => `${id}%0A`,
    "the standard alphabet": (id) => id.replaceAll("_", "%2F").replace("file-", "file%2B"),
    "8 KiB": () => `file-${"A".repeat(8_000)}`,
    "12 KiB": () => `file-${"A".repeat(12_000)}`,
    "a provider's ID": () => "file-abc123DEF456ghi789JKL0",
    "a property of objects": () => "__proto__",
    "a path": () => "..%2F..%2Fetc%2Fpasswd",
    "LiteLLM's form": () =>
      `file-${Buffer.from("litellm_proxy:application/pdf;unified_id,1;target_model_names,x").toString("base64url")}`
  }
  it.each(Object.entries(spellings))("%s", async (_, spell) => {
    const { id } = await upload(host(), "known by one ID")
    const other = spell(id)
    const before = traces(host())
    for (const [method, path] of [
      ["GET", ""],
      ["GET", "/content"],
      ["GET", "/replicas"],
      ["DELETE", ""]
    ] as const) {
      const { status } = await outcomeOf(host().call(`/v1/files/${other}${path}`, { method }))
      assert.strictEqual(status, 404, `${method} ${path}`)
    }
    await before.assertUnchanged()
    assert.strictEqual((await outcomeOf(host().call(`/v1/files/${id}`))).status, 200)
  })
})
