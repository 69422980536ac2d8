/** A host passes uploads on as they come: whole, in order, at the pace of who takes them, and not at all if cut. */
import { assert, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import { failure, hungUp, MiB, standstill, upload, uploadZeros, zeros } from "./checks.ts"
import * as FormBody from "./FormBody.ts"
import { modelOf } from "./Installation.ts"
import type { RunningHost } from "./RunningHost.ts"

const path = "/v1/files"

const head = { "content-type": FormBody.contentType }

async function* inChunks(body: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size)
}

const officialClient = (host: () => RunningHost): void => {
  it("takes a file of the official client, gives it back, lists it and deletes it", async () => {
    const { openai } = host()
    const file = await upload(host(), "what the client wrote", { target_model_names: modelOf("alpha") }, "größe.txt")
    assert.strictEqual(file.filename, "größe.txt")
    assert.strictEqual(file.bytes, 21)
    assert.strictEqual(await (await openai.files.content(file.id)).text(), "what the client wrote")
    const listed: Array<string> = []
    for await (const { id } of openai.files.list({ limit: 1 })) listed.push(id)
    assert.include(listed, file.id)
    assert.strictEqual((await openai.files.delete(file.id)).deleted, true)
    assert.propertyVal(await failure(openai.files.retrieve(file.id)), "status", 404)
  })
}

const fields = [
  FormBody.field("purpose", "assistants"),
  FormBody.field("target_model_names", modelOf("alpha")),
  FormBody.field("target_model_names[]", modelOf("beta")),
  FormBody.field("expires_after[anchor]", "created_at"),
  FormBody.field("expires_after[seconds]", "7200"),
  FormBody.field("note", "for nobody but the sender")
]

const forms = (host: () => RunningHost): void => {
  const orders = {
    before: (file: FormBody.Part) => [...fields, file],
    after: (file: FormBody.Part) => [file, ...fields]
  }
  for (const [order, partsOf] of Object.entries(orders)) {
    for (const framing of ["of known length", "in chunks"]) {
      it(`takes a form ${framing} with its fields ${order} the file`, async () => {
        const { call, emulator } = host()
        const content = `${order} ${framing} ${"\r\n--".repeat(50_000)}`
        const filename = `${order} ${framing}.md`
        const body = FormBody.encode(...partsOf(FormBody.file(filename, content, "text/markdown")))
        const answer = await call(path, {
          method: "POST",
          headers: head,
          body: framing === "in chunks" ? inChunks(body, 10_007) : body
        })
        const text = await answer.body.text()
        assert.strictEqual(answer.statusCode, 200, text)
        assert.strictEqual((JSON.parse(text) as { readonly bytes: number }).bytes, Buffer.byteLength(content))
        for (const account of ["alpha", "beta"]) {
          const sent = await emulator.waitFor(
            (entry) => entry.account === account && entry.upload?.filename === filename && entry.done
          )
          assert.isDefined(sent.upload)
          assert.strictEqual(sent.upload.sha256, createHash("sha256").update(content).digest("hex"))
          assert.strictEqual(sent.upload.contentType, "text/markdown")
          assert.strictEqual(sent.contentLength, sent.bytes)
          assert.deepStrictEqual([...sent.upload.partOrder].sort(), [
            "expires_after[anchor]",
            "expires_after[seconds]",
            "file",
            "purpose"
          ])
          assert.strictEqual(sent.upload.partOrder.at(-1), "file")
        }
      })
    }
  }
}

const hangUps = (host: () => RunningHost): void => {
  it("keeps nothing of an upload that the client gives up in the middle", async () => {
    const { call, storage } = host()
    const before = storage.contents()
    const received = storage.received()
    const client = new AbortController()
    async function* content(): AsyncGenerator<Buffer> {
      yield Buffer.alloc(300_000)
      await new Promise((resolve) => client.signal.addEventListener("abort", resolve))
    }
    const body = FormBody.streamed([FormBody.field("purpose", "user_data")], "cut.bin", content())
    const answer = call(path, { method: "POST", headers: head, body, signal: client.signal })
    await storage.until(() => storage.received() - received >= 200_000)
    assert.lengthOf(storage.contents(), before.length + 1)
    client.abort()
    await failure(answer)
    await storage.until(() => storage.contents().length <= before.length)
    assert.deepStrictEqual(storage.contents(), before)
  })

  it("takes back an upload that the client gives up while a provider still has it", async () => {
    const { emulator, openai, storage } = host()
    const blobs = (): ReadonlyArray<string> => storage.contents().filter((line) => line.startsWith("blob"))
    const before = blobs()
    const fault = emulator.fault({ account: "beta", route: "files.create", times: 1, kind: { hang: true } })
    const client = new AbortController()
    const file = new File(["not for long"], "withdrawn.txt")
    const body = { file, purpose: "user_data" as const, target_model_names: `${modelOf("alpha")},${modelOf("beta")}` }
    const answer = openai.files.create(body, { signal: client.signal })
    const waiting = await emulator.waitFor(
      (entry) => entry.fault === "hang" && entry.upload?.filename === "withdrawn.txt"
    )
    client.abort()
    await failure(answer)
    await hungUp(host(), waiting)
    await storage.until(() => !storage.contents().some((line) => / (receiving|creating)$/.test(line)))
    await storage.until(() => blobs().length <= before.length)
    assert.isFalse(emulator.files("beta").some(({ filename }) => filename === "withdrawn.txt"))
    fault.clear()
  })
}

const pace = (host: () => RunningHost): void => {
  it("lets a sender wait for slow storage", async () => {
    const { storage } = host()
    const release = storage.hold()
    const content = zeros(24 * MiB)
    const answer = uploadZeros(host(), content)
    const received = storage.received()
    await storage.until(() => storage.received() > received)
    assert.isBelow(await standstill(content.taken), 14 * MiB)
    release()
    const { body, statusCode } = await answer
    assert.strictEqual(statusCode, 200)
    assert.propertyVal(await body.json(), "bytes", 24 * MiB)
  })
}

export const register = (host: () => RunningHost): void => {
  officialClient(host)
  forms(host)
  hangUps(host)
  pace(host)
}
