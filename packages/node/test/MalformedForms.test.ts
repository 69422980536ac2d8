import { assert, describe, it } from "@effect/vitest"
import * as FormBody from "@omnifile/testkit/host/FormBody"
import * as RawConnection from "@omnifile/testkit/host/RawConnection"
import { key } from "@omnifile/testkit/host/Installation"
import { MiB, zeros } from "@omnifile/testkit/host/checks"
import { assertRefusal, postForm, standalone, traces } from "./support/standalone.ts"

const { boundary, closing, encode, field, file, opening } = FormBody

const purpose = field("purpose", "user_data")
const some = file("some.txt", "some content")
const whole = encode(purpose, some)

const host = standalone({ maxFileSize: MiB })

interface Case {
  readonly body: string | Uint8Array
  readonly contentType?: string
  /** Default: 400. */
  readonly statuses?: ReadonlyArray<number>
  readonly param: string | null
}

const part = (headers: ReadonlyArray<string>, content = "x"): FormBody.Part => ({ headers, content })
const disposition = (parameters: string): string => `content-disposition: form-data${parameters}`
const filePart = (parameters: string): FormBody.Part => part([disposition(parameters)])

const framing: Readonly<Record<string, Case>> = {
  "no boundary": { body: whole, contentType: "multipart/form-data", param: null },
  "an empty boundary": { body: whole, contentType: "multipart/form-data; boundary=", param: null },
  "an empty quoted boundary": { body: whole, contentType: 'multipart/form-data; boundary=""', param: null },
  "a boundary that is too long": {
    body: whole,
    contentType: `multipart/form-data; boundary=${"b".repeat(71)}`,
    param: null
  },
  "another boundary": { body: whole, contentType: "multipart/form-data; boundary=other", param: null },
  "no closing boundary": { body: whole.subarray(0, -closing.length), param: null },
  "a closing boundary that is cut": { body: whole.subarray(0, -4), param: null },
  "an end inside of a header": { body: `--${boundary}\r\ncontent-dispo`, param: null },
  "an end inside of the file": { body: whole.subarray(0, -closing.length - 6), param: null },
  "nothing at all": { body: "", param: null },
  "nothing but text": { body: "some text", param: null },
  "no parts": { body: closing, param: "purpose" },
  "another content type": { body: whole, contentType: "application/octet-stream", statuses: [415], param: null },
  "a form of another kind": {
    body: "purpose=user_data",
    contentType: "application/x-www-form-urlencoded",
    statuses: [415],
    param: null
  },
  JSON: { body: '{"purpose":"user_data"}', contentType: "application/json", statuses: [415], param: null }
}

const parts: Readonly<Record<string, Case>> = {
  "a part without a name": { body: encode(purpose, some, part([disposition("")])), param: null },
  "a part with an empty name": { body: encode(purpose, some, part([disposition('; name=""')])), param: null },
  "a part of another disposition": {
    body: encode(purpose, some, part(['content-disposition: attachment; name="x"'])),
    param: null
  },
  "a part with nothing but a type": { body: encode(purpose, some, part(["content-type: text/plain"])), param: null },
  "a part without headers": { body: encode(purpose, part([]), some), param: null },
  "a part whose header does not end": {
    body: Buffer.concat([
      FormBody.begin(purpose, some),
      Buffer.from(`--${boundary}\r\n${disposition('; name="x"')}\r\n${closing}`)
    ]),
    param: null
  },
  "a part whose header does not end before others": {
    body: Buffer.concat([Buffer.from(`--${boundary}\r\n${disposition('; name="x"')}\r\n`), whole]),
    param: null
  },
  "a name without its closing quote": { body: encode(purpose, some, part([disposition('; name="x')])), param: null },
  "no file": { body: encode(purpose), param: "file" },
  "a file without a file name": { body: encode(purpose, filePart('; name="file"')), param: "file" },
  "a file with an empty file name": { body: encode(purpose, filePart('; name="file"; filename=""')), param: "file" },
  "two files": { body: encode(purpose, some, file("other.txt", "other content")), param: "file" },
  "a file under another name": {
    body: encode(purpose, filePart('; name="document"; filename="a"')),
    param: "document"
  },
  "a file and another under another name": {
    body: encode(purpose, some, filePart('; name="document"; filename="a"')),
    param: "document"
  }
}

const bombs: Readonly<Record<string, Case>> = {
  "50,000 fields": {
    body: encode(purpose, some, ...Array.from({ length: 50_000 }, (_, index) => field(`field${index}`, "x"))),
    statuses: [400, 413],
    param: null
  },
  "a field of 3 MiB": {
    body: encode(field("note", "x".repeat(3 * MiB)), purpose, some),
    statuses: [413],
    param: "note"
  },
  "a purpose of 3 MiB": {
    body: encode(field("purpose", "x".repeat(3 * MiB)), some),
    statuses: [413],
    param: "purpose"
  },
  "a field name of 3 MiB": {
    body: encode(field("x".repeat(3 * MiB), "x"), purpose, some),
    statuses: [413],
    param: null
  },
  "a field name of 10 KiB": {
    body: encode(field("x".repeat(10_240), "x"), purpose, some),
    statuses: [413],
    param: "x".repeat(100)
  },
  "a header of 3 MiB after the name": {
    body: encode(purpose, { headers: [...some.headers, `x-bomb: ${"x".repeat(3 * MiB)}`], content: "x" }),
    statuses: [413],
    param: null
  },
  "a header of 3 MiB before the name": {
    body: encode(purpose, { headers: [`x-bomb: ${"x".repeat(3 * MiB)}`, ...some.headers], content: "x" }),
    statuses: [413],
    param: null
  },
  "10,000 headers": {
    body: encode(purpose, {
      headers: [...some.headers, ...Array.from({ length: 10_000 }, (_, index) => `x-${index}: x`)],
      content: "x"
    }),
    statuses: [413],
    param: null
  }
}

const expiry = (anchor: string | null, seconds: string | null, param: string): Case => ({
  body: encode(
    purpose,
    ...(anchor === null ? [] : [field("expires_after[anchor]", anchor)]),
    ...(seconds === null ? [] : [field("expires_after[seconds]", seconds)]),
    some
  ),
  param
})

const purposes = (...values: ReadonlyArray<string>): Case => ({
  body: encode(...values.map((value) => field("purpose", value)), some),
  param: "purpose"
})

const values: Readonly<Record<string, Case>> = {
  "no purpose": purposes(),
  "an empty purpose": purposes(""),
  "an unknown purpose": purposes("misc"),
  "a purpose in another case": purposes("User_Data"),
  "a purpose with a NUL": purposes("user_data\0"),
  "two different purposes": purposes("user_data", "batch"),
  "the purpose assistants_output": purposes("assistants_output"),
  "the purpose batch_output": purposes("batch_output"),
  "the purpose fine-tune-results": purposes("fine-tune-results"),
  "an anchor without seconds": expiry("created_at", null, "expires_after[seconds]"),
  "seconds without an anchor": expiry(null, "3600", "expires_after[anchor]"),
  "another anchor": expiry("now", "3600", "expires_after[anchor]"),
  "too few seconds": expiry("created_at", "3599", "expires_after[seconds]"),
  "too many seconds": expiry("created_at", "2592001", "expires_after[seconds]"),
  "negative seconds": expiry("created_at", "-3600", "expires_after[seconds]"),
  "a fraction of a second": expiry("created_at", "3600.5", "expires_after[seconds]"),
  "seconds in words": expiry("created_at", "one hour", "expires_after[seconds]"),
  "hexadecimal seconds": expiry("created_at", "0xe10", "expires_after[seconds]"),
  "an expiry that is no object": {
    body: encode(purpose, field("expires_after", "3600"), some),
    param: "expires_after"
  },
  "an unknown part of an expiry": {
    body: encode(purpose, field("expires_after[days]", "1"), some),
    param: "expires_after"
  },
  "an unknown model": {
    body: encode(purpose, field("target_model_names", "model-none"), some),
    param: "target_model_names"
  },
  "one unknown model of two": {
    body: encode(purpose, field("target_model_names", "model-alpha,model-none"), some),
    param: "target_model_names"
  }
}

describe.each(Object.entries({ framing, parts, bombs, values }))("an upload is refused for its %s:", (_, cases) => {
  it.each(Object.entries(cases))("%s", async (_, { body, contentType, param, statuses = [400] }) => {
    const before = traces(host())
    await assertRefusal(host(), await postForm(host(), body, contentType), statuses, param)
    await before.assertUnchanged()
  })

  it.each(Object.entries(cases))(
    "%s, in chunks of odd sizes",
    async (_, { body, contentType, param, statuses = [400] }) => {
      const before = traces(host())
      const bytes = Buffer.from(body)
      async function* chunks(): AsyncGenerator<Buffer> {
        for (let at = 0, size = 1; at < bytes.length; at += size, size = Math.min(size * 2 + 1, 70_001)) {
          yield bytes.subarray(at, at + size)
        }
      }
      await assertRefusal(host(), await postForm(host(), chunks(), contentType), statuses, param)
      await before.assertUnchanged()
    }
  )
})

/** The head of an upload by hand. */
const head = (url: string, ...headers: ReadonlyArray<string>): string =>
  [
    "POST /v1/files HTTP/1.1",
    `host: ${new URL(url).host}`,
    `authorization: Bearer ${key}`,
    `content-type: ${FormBody.contentType}`,
    ...headers,
    "\r\n"
  ].join("\r\n")

describe("an upload whose connection ends", () => {
  const ends: Readonly<Record<string, string | Uint8Array>> = {
    "before the first part": "",
    "in a header": `--${boundary}\r\ncontent-dispo`,
    "in a field": FormBody.begin(purpose).subarray(0, -4),
    "in the file": whole.subarray(0, -closing.length - 6),
    "before the closing boundary": whole.subarray(0, -closing.length)
  }
  it.each(Object.entries(ends))("%s leaves nothing behind", async (_, sent) => {
    const before = traces(host())
    const { url } = host()
    const connection = await RawConnection.open(url)
    await connection.send(head(url, `content-length: ${whole.length}`))
    await connection.send(sent)
    connection.finish()
    await connection.closed
    await before.assertUnchanged()
  })
})

describe("an upload over the limit", () => {
  const begun = Buffer.concat([FormBody.begin(purpose), Buffer.from(opening(file("large.bin", "")))])
  const ended = Buffer.from(`\r\n${closing}`)
  const size = 24 * MiB
  const framings = {
    "with its length": {
      header: `content-length: ${begun.length + size + ended.length}`,
      frame: (piece: Uint8Array) => piece,
      end: ""
    },
    "without a length": {
      header: "transfer-encoding: chunked",
      frame: (piece: Uint8Array) =>
        Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n")]),
      end: "0\r\n\r\n"
    }
  }

  for (const [name, { end, frame, header }] of Object.entries(framings)) {
    it(`is refused for a client that sends everything ${name} before it reads`, async () => {
      const before = traces(host())
      const { url } = host()
      const connection = await RawConnection.open(url)
      await connection.send(head(url, header))
      await connection.send(frame(begun))
      for await (const piece of zeros(size)) await connection.send(frame(piece))
      await connection.send(frame(ended))
      await connection.send(end)
      const { body, status } = await connection.response()
      await assertRefusal(host(), { status, text: body.toString() }, [413], "file")
      // The body was read to its end, so the connection is as good as before.
      await connection.send(`GET /health/live HTTP/1.1\r\nhost: test\r\n\r\n`)
      assert.strictEqual((await connection.response()).status, 200)
      connection.hangUp()
      await before.assertUnchanged()
    })

    it(`is refused for a client that reads before it has sent everything ${name}`, async () => {
      const before = traces(host())
      const { url } = host()
      const connection = await RawConnection.open(url)
      await connection.send(head(url, header))
      await connection.send(frame(begun))
      for await (const piece of zeros(2 * MiB)) await connection.send(frame(piece))
      const { body, status } = await connection.response()
      await assertRefusal(host(), { status, text: body.toString() }, [413], "file")
      connection.hangUp()
      await before.assertUnchanged()
    })
  }

  it("is not one of exactly the limit", async () => {
    const content = new Uint8Array(MiB)
    const { status, text } = await postForm(host(), encode(purpose, file("limit.bin", content)))
    assert.strictEqual(status, 200, text)
    const over = new Uint8Array(MiB + 1)
    await assertRefusal(host(), await postForm(host(), encode(purpose, file("over.bin", over))), [413], "file")
  })
})
