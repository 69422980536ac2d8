/** A host serves many at once, more than one gateway, and outlives a gateway that is closed. */
import { assert, it } from "@effect/vitest"
import { randomUUID } from "node:crypto"
import type { FileSettings } from "@omnifile/core/Settings"
import { failure, hungUp, MiB, refused, upload, uploadZeros, zeros } from "./checks.ts"
import * as FormBody from "./FormBody.ts"
import { key, modelOf } from "./Installation.ts"
import * as RawConnection from "./RawConnection.ts"
import type { RunningHost } from "./RunningHost.ts"

type Start = (settings?: Partial<FileSettings>) => Promise<RunningHost>

const say = (prompt: string) => [{ role: "user" as const, content: prompt }]

const crowd = (host: () => RunningHost): void => {
  it("serves 200 requests at once, each with its own answer", async () => {
    const { call } = host()
    const file = await upload(host(), "read by many")
    const kinds: ReadonlyArray<(index: number) => Promise<void>> = [
      async (index) => {
        const { body, headers } = await call(`/v1/files/${file.id}`, { headers: { "x-request-id": `crowd-${index}` } })
        assert.propertyVal(await body.json(), "id", file.id)
        assert.strictEqual(headers["x-request-id"], `crowd-${index}`)
      },
      async () => {
        const { body } = await call(`/v1/files/${file.id}/content`)
        assert.strictEqual(await body.text(), "read by many")
      },
      async (index) => {
        const prompt = `question ${index}`
        const { body } = await call("/v1/chat/completions", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ model: modelOf("alpha"), messages: say(prompt) })
        })
        assert.match(await body.text(), new RegExp(`Prompt: ${prompt}"`))
      },
      async (index) => {
        const content = `of one of many: ${index}`
        const { body } = await call("/v1/files", {
          method: "POST",
          headers: { "content-type": FormBody.contentType },
          body: FormBody.encode(FormBody.field("purpose", "user_data"), FormBody.file(`${index}.txt`, content))
        })
        const { id } = (await body.json()) as { readonly id: string }
        assert.strictEqual(await (await call(`/v1/files/${id}/content`)).body.text(), content)
      }
    ]
    await Promise.all(Array.from({ length: 200 }, (_, index) => kinds[index % kinds.length]?.(index)))
  })
}

const several = (host: () => RunningHost, start: Start): void => {
  it("keeps two gateways of one process apart, and one when the other is closed", async () => {
    const other = await start({ maxFileSize: MiB })
    try {
      const file = await upload(host(), "in one of the two")
      await refused(await other.call(`/v1/files/${file.id}`), 404)
      await refusesWithoutBreaking(other)

      const waiting = randomUUID()
      const fault = other.emulator.fault({ account: "beta", route: "chat", times: 1, kind: { hang: true } })
      const answer = other.openai.chat.completions.create({ model: modelOf("beta"), messages: say(waiting) })
      const ended = failure(answer)
      const entry = await other.emulator.waitFor(({ body }) => body?.includes(waiting) === true)
      const stream = await other.openai.chat.completions.create({
        model: modelOf("ticker"),
        messages: say("until the end"),
        stream: true
      })
      const events = stream[Symbol.asyncIterator]()
      await events.next()
      const cut = failure(
        (async () => {
          while ((await events.next()).done !== true);
        })()
      )

      await other.closeGateway()

      await hungUp(other, entry)
      assert.propertyVal(await ended, "status", 503)
      await cut
      assert.strictEqual(fault.hits(), 1)
    } finally {
      await other.stop()
    }
    const messages = say("are you still there?")
    const { choices } = await host().openai.chat.completions.create({ model: modelOf("alpha"), messages })
    assert.include(choices[0]?.message.content, "Answer from alpha")
  })
}

/** Clients that send everything before they read, and those that do not, both learn that a file is too large. */
const refusesWithoutBreaking = async (host: RunningHost): Promise<void> => {
  const error = await refused(await uploadZeros(host, zeros(12 * MiB)), 413)
  assert.strictEqual(error.param, "file")

  const connection = await RawConnection.open(host.url)
  const { host: authority, pathname } = new URL(host.url)
  const prefix = pathname.replace(/\/$/, "")
  const head = FormBody.begin(FormBody.field("purpose", "user_data"))
  const opening = Buffer.from(FormBody.opening(FormBody.file("large.bin", "")))
  const closing = Buffer.from(`\r\n${FormBody.closing}`)
  const length = head.length + opening.length + 12 * MiB + closing.length
  await connection.send(
    `POST ${prefix}/v1/files HTTP/1.1\r\nhost: ${authority}\r\nauthorization: Bearer ${key}\r\n` +
      `content-type: ${FormBody.contentType}\r\ncontent-length: ${length}\r\n\r\n`
  )
  for (const piece of [head, opening]) await connection.send(piece)
  for await (const piece of zeros(12 * MiB)) await connection.send(piece)
  await connection.send(closing)
  assert.strictEqual((await connection.response()).status, 413)
  // The host has read it all, so the connection is as good as before.
  await connection.send(`GET ${prefix}/health/live HTTP/1.1\r\nhost: ${authority}\r\n\r\n`)
  assert.strictEqual((await connection.response()).status, 200)
  connection.hangUp()
  await host.storage.until(() => host.storage.contents().length === 0)
}

export const register = (host: () => RunningHost, start: Start): void => {
  crowd(host)
  several(host, start)
}
