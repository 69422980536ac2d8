/** One `Idempotency-Key`, one create: of whatever kind, and of one caller. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { refused } from "@omnifile/testkit/host/checks"
import * as FormBody from "@omnifile/testkit/host/FormBody"
import { modelOf } from "@omnifile/testkit/host/Installation"
import * as RunningHost from "@omnifile/testkit/host/RunningHost"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import type { Dispatcher } from "undici"
import * as Open from "../src/Open.ts"

let host: RunningHost.RunningHost

beforeAll(async () => {
  host = await RunningHost.start({
    build: Open.open,
    serve: (gateway) => HostSuite.listen((incoming, response) => void gateway.node(incoming, response))
  })
})
afterAll(() => host.stop())

const model = modelOf("alpha")

interface Body {
  readonly type: string
  readonly content: string | Uint8Array
}

const json = (value: unknown): Body => ({ type: "application/json", content: JSON.stringify(value) })

const fileOf = (purpose: string, content: string): Body => ({
  type: FormBody.contentType,
  content: FormBody.encode(FormBody.field("purpose", purpose), FormBody.file("lines.jsonl", content))
})

const post = (path: string, { content, type }: Body, key?: string): Promise<Dispatcher.ResponseData> =>
  host.call(path, {
    method: "POST",
    headers: { "content-type": type, ...(key === undefined ? {} : { "idempotency-key": key }) },
    body: content
  })

const idOf = async (answer: Dispatcher.ResponseData): Promise<string> => {
  const text = await answer.body.text()
  assert.strictEqual(answer.statusCode, 200, text)
  return (JSON.parse(text) as { readonly id: string }).id
}

const line = JSON.stringify({
  custom_id: "line",
  method: "POST",
  url: "/v1/chat/completions",
  body: { model, messages: [{ role: "user", content: "hello" }] }
})

const batch = (file: string, metadata: Readonly<Record<string, string>>): Body =>
  json({ input_file_id: file, endpoint: "/v1/chat/completions", completion_window: "24h", metadata })

const upload = { filename: "a.txt", mime_type: "text/plain", purpose: "user_data" }

/** A body, and another one that differs in one thing. */
const creates: Readonly<Record<string, readonly [path: string, bodies: () => Promise<readonly [Body, Body]>]>> = {
  file: ["/v1/files", () => Promise.resolve([fileOf("user_data", "one"), fileOf("user_data", "two")])],
  upload: ["/v1/uploads", () => Promise.resolve([json({ ...upload, bytes: 4 }), json({ ...upload, bytes: 5 })])],
  batch: [
    "/v1/batches",
    async () => {
      const file = await idOf(await post("/v1/files", fileOf("batch", line)))
      return [batch(file, { note: "one" }), batch(file, { note: "two" })]
    }
  ],
  response: ["/v1/responses", () => Promise.resolve([json({ model, input: "one" }), json({ model, input: "two" })])],
  "fine-tuning job": [
    "/v1/fine_tuning/jobs",
    async () => {
      const training_file = await idOf(await post("/v1/files", fileOf("fine-tune", '{"messages":[]}\n')))
      return [json({ model, training_file, seed: 1 }), json({ model, training_file, seed: 2 })]
    }
  ]
}

describe("an Idempotency-Key", () => {
  for (const [what, [path, bodiesOf]] of Object.entries(creates)) {
    it(`makes one ${what}, and is not for another one`, async () => {
      const [body, other] = await bodiesOf()
      const key = `the key of a ${what}`
      const answers = await Promise.all([post(path, body, key), post(path, body, key)])
      const [first, second] = await Promise.all(answers.map(idOf))
      assert.strictEqual(first, second)
      assert.strictEqual(await idOf(await post(path, body, key)), first)
      await refused(await post(path, other, key), 409)
      assert.notStrictEqual(await idOf(await post(path, body)), first)
    })
  }

  it("that is too long is refused", async () => {
    for (const path of ["/v1/files", "/v1/uploads"]) {
      const body = path === "/v1/files" ? fileOf("user_data", "x") : json({ ...upload, bytes: 4 })
      assert.strictEqual((await refused(await post(path, body, "x".repeat(256)), 400)).param, "Idempotency-Key")
    }
  })
})
