import { assert, describe, it } from "@effect/vitest"
import { modelOf } from "@omnifile/testkit/host/Installation"
import * as FormBody from "@omnifile/testkit/host/FormBody"
import { assertRefusal, outcomeOf, postForm, standalone, traces } from "./support/standalone.ts"

const { encode, field } = FormBody

const host = standalone()

const fields = [field("purpose", "user_data"), field("target_model_names", modelOf("alpha"))]

/** An upload whose part is named by these parameters, as they go over the wire. */
const upload = (parameters: string, content = "content") =>
  postForm(
    host(),
    encode(...fields, { headers: [`content-disposition: form-data; name="file"${parameters}`], content })
  )

interface Named {
  readonly parameters: string
  /** What clients and providers are told. */
  readonly filename: string
}

const accepted: Readonly<Record<string, Named>> = {
  "a plain name": { parameters: '; filename="report.pdf"', filename: "report.pdf" },
  "a name without quotes": { parameters: "; filename=report.pdf", filename: "report.pdf" },
  "spaces and dots": { parameters: '; filename=" .a  b..c. "', filename: " .a  b..c. " },
  "semicolons and equals signs": {
    parameters: '; filename="a; name=purpose; b=c.txt"',
    filename: "a; name=purpose; b=c.txt"
  },
  "an escaped quote": { parameters: '; filename="a\\"b\\".txt"', filename: 'a"b".txt' },
  "a quote as browsers write it": { parameters: '; filename="a%22b.txt"', filename: "a%22b.txt" },
  "a percent sign": { parameters: '; filename="100%.txt"', filename: "100%.txt" },
  "line breaks as browsers write them": {
    parameters: '; filename="a%0D%0Ax-evil: 1.txt"',
    filename: "a%0D%0Ax-evil: 1.txt"
  },
  "letters beyond ASCII": { parameters: '; filename="größe 文件 😀.txt"', filename: "größe 文件 😀.txt" },
  "an extended name": { parameters: "; filename*=UTF-8''gr%C3%B6%C3%9Fe.txt", filename: "größe.txt" },
  "an extended name beside a plain one": {
    parameters: "; filename=\"groesse.txt\"; filename*=utf-8'de'gr%C3%B6%C3%9Fe.txt",
    filename: "größe.txt"
  },
  "an extended name that is none": {
    parameters: "; filename=\"plain.txt\"; filename*=UTF-8''%E0%A4%A",
    filename: "plain.txt"
  },
  "a path": { parameters: '; filename="/etc/passwd"', filename: "passwd" },
  "a path upwards": { parameters: '; filename="../../../../etc/passwd"', filename: "passwd" },
  "a Windows path": { parameters: '; filename="C:\\Users\\me\\report.pdf"', filename: "report.pdf" },
  "an extended path upwards": { parameters: "; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", filename: "passwd" },
  "a name that is a property of objects": { parameters: '; filename="__proto__"', filename: "__proto__" },
  "a thousand letters": { parameters: `; filename="${"x".repeat(1_000)}"`, filename: "x".repeat(1_000) },
  "a lone surrogate": { parameters: "; filename*=UTF-8''%ED%A0%80.txt; filename=\"safe.txt\"", filename: "safe.txt" },
  markup: { parameters: '; filename="<script>alert(1)</script>"', filename: "script>" }
}

const refused: Readonly<Record<string, string>> = {
  "a NUL": '; filename="a\0.txt"',
  "an extended NUL": "; filename*=UTF-8''a%00.txt",
  "extended line breaks": "; filename*=UTF-8''a%0D%0Ax-evil%3A%201.txt",
  "a tabulator": '; filename="a\tb.txt"',
  "a DEL": '; filename="a\x7f.txt"',
  "nothing after the path": '; filename="some/directory/"',
  "a dot": '; filename="."',
  "the directory above": '; filename="a/.."',
  "10 KiB": `; filename="${"x".repeat(10_240)}"`
}

describe("a file name", () => {
  it.each(Object.entries(accepted))("with %s is kept and passed on", async (name, { filename, parameters }) => {
    const content = `named by ${name}`
    const { status, text } = await upload(parameters, content)
    assert.strictEqual(status, 200, text)
    const file = JSON.parse(text) as { readonly id: string; readonly filename: string }
    assert.strictEqual(file.filename, filename)

    const { call, emulator } = host()
    const sent = emulator.journal.at(-1)?.upload
    assert.isDefined(sent)
    // As browsers do, and as every provider has to expect: a quote cannot end the name.
    assert.strictEqual(sent.filename, filename.replaceAll('"', "%22"))
    assert.deepStrictEqual(sent.partOrder, ["purpose", "file"])

    const { body, headers } = await call(`/v1/files/${file.id}/content`)
    assert.strictEqual(await body.text(), content)
    const disposition = String(headers["content-disposition"])
    assert.match(disposition, /^attachment; filename="[^"\\]*"(; filename\*=UTF-8''[\w.~%!#$&+^`|-]*)?$/)
    const extended = /filename\*=UTF-8''(.*)$/.exec(disposition)?.[1]
    const told = extended === undefined ? /filename="(.*)"/.exec(disposition)?.[1] : decodeURIComponent(extended)
    assert.strictEqual(told, filename)
  })

  it.each(Object.entries(refused))("with %s is refused", async (_, parameters) => {
    const before = traces(host())
    await assertRefusal(host(), await upload(parameters), [400], "file")
    await before.assertUnchanged()
  })

  it("cannot add a header or a part", async () => {
    const before = traces(host())
    const broken = '; filename="a\r\nx-evil: 1\r\n\r\ninjected"'
    await assertRefusal(host(), await upload(broken), [400], "file")
    await before.assertUnchanged()
  })
})

describe("a content type", () => {
  const types: Readonly<Record<string, string>> = {
    "text/markdown": "text/markdown",
    "text/plain; charset=utf-8": "text/plain; charset=utf-8",
    "application/vnd.api+json": "application/vnd.api+json"
  }
  it.each(Object.entries(types))("%s goes with its file", async (type, passedOn) => {
    const { status, text } = await postForm(host(), encode(...fields, FormBody.file("typed.bin", "typed", type)))
    assert.strictEqual(status, 200, text)
    assert.strictEqual(host().emulator.journal.at(-1)?.upload?.contentType, passedOn.replace(/;.*/, ""))
    const { id } = JSON.parse(text) as { readonly id: string }
    const { body, headers } = await host().call(`/v1/files/${id}/content`)
    await body.dump()
    assert.strictEqual(headers["content-type"], passedOn)
  })

  it.each(["", "nonsense", "text/html\0", "a/b; x=größe", `text/${"x".repeat(1_000)}`])(
    "%j is not passed on",
    async (type) => {
      const { status, text } = await postForm(host(), encode(...fields, FormBody.file("typed.bin", "typed", type)))
      assert.strictEqual(status, 200, text)
      assert.strictEqual(host().emulator.journal.at(-1)?.upload?.contentType, "application/octet-stream")
      const { id } = JSON.parse(text) as { readonly id: string }
      const answer = await outcomeOf(host().call(`/v1/files/${id}/content`))
      assert.strictEqual(answer.text, "typed")
    }
  )
})
