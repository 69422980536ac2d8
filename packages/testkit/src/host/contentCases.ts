/** A host delivers content as HTTP has it: ranges, validators, heads, and at the reader's pace. */
import { assert, it } from "@effect/vitest"
import { createHash, randomBytes } from "node:crypto"
import { MiB, refused, standstill, upload, uploadZeros, zeros } from "./checks.ts"
import type { RunningHost } from "./RunningHost.ts"

/** What browsers and most clients say, and what makes middleware compress. */
const compressing = { "accept-encoding": "gzip, deflate, br" }

const pathOf = ({ id }: { readonly id: string }): string => `/v1/files/${id}/content`

const wholeContent = (host: () => RunningHost): void => {
  it("gives content out byte for byte, with what describes it", async () => {
    const content = Buffer.concat([Buffer.from("text ".repeat(1_000)), randomBytes(100_000)])
    const file = await upload(host(), content, {}, 'näme "quoted".txt')
    const { body, headers, statusCode } = await host().call(pathOf(file), { headers: compressing })
    assert.strictEqual(statusCode, 200)
    assert.isTrue(Buffer.from(await body.bytes()).equals(content))
    assert.strictEqual(headers["content-length"], String(content.length))
    assert.isUndefined(headers["content-encoding"])
    assert.strictEqual(headers["etag"], `"${createHash("sha256").update(content).digest("hex")}"`)
    assert.strictEqual(headers["accept-ranges"], "bytes")
    assert.strictEqual(headers["cache-control"], "private, no-cache, no-transform")
    assert.strictEqual(headers["x-content-type-options"], "nosniff")
    assert.match(String(headers["content-disposition"]), /^attachment; filename="[ -~]*"; filename\*=UTF-8''n%C3%A4me/)
    assert.isDefined(headers["x-request-id"])
  })

  it("answers HEAD with the head alone", async () => {
    const file = await upload(host(), "only its head")
    const whole = await host().call(pathOf(file), { headers: compressing })
    await whole.body.dump()
    const { body, headers, statusCode } = await host().call(pathOf(file), { method: "HEAD", headers: compressing })
    assert.strictEqual(await body.text(), "")
    assert.strictEqual(statusCode, 200)
    for (const name of ["content-length", "content-type", "etag", "accept-ranges", "content-disposition"]) {
      assert.strictEqual(headers[name], whole.headers[name], name)
    }
  })

  it("does not send again what the client has", async () => {
    const file = await upload(host(), "cached")
    const first = await host().call(pathOf(file))
    await first.body.dump()
    const etag = String(first.headers["etag"])
    for (const condition of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const again = await host().call(pathOf(file), { headers: { "if-none-match": condition } })
      assert.strictEqual(await again.body.text(), "", condition)
      assert.strictEqual(again.statusCode, 304, condition)
      assert.strictEqual(again.headers["etag"], etag)
    }
    const changed = await host().call(pathOf(file), { headers: { "if-none-match": '"other"' } })
    assert.strictEqual(await changed.body.text(), "cached")
  })
}

const ranges = (host: () => RunningHost): void => {
  it("gives out one range", async () => {
    const file = await upload(host(), "0123456789")
    const satisfiable = { "bytes=2-4": ["2-4", "234"], "bytes=7-": ["7-9", "789"], "bytes=-2": ["8-9", "89"] }
    for (const [range, [part, text]] of Object.entries(satisfiable)) {
      const { body, headers, statusCode } = await host().call(pathOf(file), { headers: { ...compressing, range } })
      assert.strictEqual(statusCode, 206, range)
      assert.strictEqual(await body.text(), text, range)
      assert.strictEqual(headers["content-range"], `bytes ${part}/10`)
      assert.strictEqual(headers["content-length"], String(text?.length))
    }
  })

  it("refuses a range outside of the content, and ignores what is none", async () => {
    const file = await upload(host(), "0123456789")
    const outside = await host().call(pathOf(file), { headers: { range: "bytes=10-" } })
    assert.strictEqual(outside.headers["content-range"], "bytes */10")
    await refused(outside, 416)
    for (const range of ["bytes=4-2", "lines=1-2", "bytes=1-2,5-6", "bytes=-", "nonsense"]) {
      const { body, statusCode } = await host().call(pathOf(file), { headers: { range } })
      assert.strictEqual(await body.text(), "0123456789", range)
      assert.strictEqual(statusCode, 200, range)
    }
  })
}

const pace = (host: () => RunningHost): void => {
  it("reads a large file from storage at the pace of the client, and no further when it leaves", async () => {
    const { storage } = host()
    const created = await uploadZeros(host(), zeros(24 * MiB))
    const file = (await created.body.json()) as { readonly id: string }
    const before = storage.served()
    const served = (): number => storage.served() - before

    const slow = await host().call(pathOf(file), { headers: compressing })
    assert.strictEqual(slow.statusCode, 200)
    assert.isBelow(await standstill(served), 14 * MiB)
    assert.strictEqual((await slow.body.bytes()).length, 24 * MiB)
    assert.strictEqual(served(), 24 * MiB)

    const client = new AbortController()
    const leaving = await host().call(pathOf(file), { headers: compressing, signal: client.signal })
    leaving.body.on("error", () => {})
    await storage.until(() => served() > 24 * MiB)
    client.abort()
    await storage.until(() => storage.readers() === 0)
    assert.isBelow(served(), 48 * MiB)
  })
}

export const register = (host: () => RunningHost): void => {
  wholeContent(host)
  ranges(host)
  pace(host)
}
