/** The JSON of every answer: which fields there are, and of which types. */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { messagesOf, refusalOf, upload } from "./support/calls.ts"
import * as Installation from "./support/Installation.ts"
import type { ServerProcess } from "./support/ServerProcess.ts"

let installation: Installation.Installation
let server: ServerProcess
let id: string

beforeAll(async () => {
  installation = await Installation.open()
  server = await installation.start()
  id = (await upload(installation.client(server), "of a shape", { models: "alpha,beta" })).id
})
afterAll(() => installation.close())

const answerOf = async (path: string, call: Installation.Call = {}): Promise<unknown> => {
  const answer = await installation.call(server, path, call)
  assert.strictEqual(answer.status, 200, path)
  assert.match(answer.headers.get("content-type") ?? "", /^application\/json/)
  assert.match(answer.headers.get("x-request-id") ?? "", /^[\w-]+$/)
  return answer.json()
}

/** The types in place of the values; what a list has once stands for all of its elements. */
const shapeOf = (value: unknown): unknown => {
  if (value === null) return "null"
  if (Array.isArray(value)) {
    const shapes = new Map(value.map((element) => [JSON.stringify(shapeOf(element)), shapeOf(element)]))
    return [...shapes.values()]
  }
  if (typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, shapeOf(field)]))
  }
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number"
  return typeof value
}

const file = {
  id: "string",
  object: "string",
  bytes: "integer",
  created_at: "integer",
  filename: "string",
  purpose: "string",
  status: "string"
}

const replica = {
  object: "string",
  account: "string",
  state: "string",
  created_at: "integer",
  updated_at: "integer",
  expires_at: "null",
  error: "null"
}

const model = { id: "string", object: "string", created: "integer", owned_by: "string" }

describe("an answer", { timeout: 60_000 }, () => {
  it("about files has OpenAI's shape", async () => {
    const retrieved = await answerOf(`/v1/files/${id}`)
    assert.deepStrictEqual(shapeOf(retrieved), file)
    assert.deepInclude(retrieved, { id, object: "file", status: "processed" })
    const list = await answerOf("/v1/files")
    const page = { object: "string", data: [file], first_id: "string", last_id: "string", has_more: "boolean" }
    assert.deepStrictEqual(shapeOf(list), page)
    const empty = await answerOf("/v1/files", { who: "bob" })
    assert.deepStrictEqual(empty, { object: "list", data: [], first_id: null, last_id: null, has_more: false })
    const { created_at: created } = retrieved as { readonly created_at: number }
    assert.closeTo(created, Date.now() / 1000, 60)
  })

  it("about a file that expires says when", async () => {
    const form = new FormData()
    form.append("purpose", "user_data")
    form.append("expires_after[anchor]", "created_at")
    form.append("expires_after[seconds]", "3600")
    form.append("file", new File(["short-lived"], "short-lived.txt"))
    const created = await answerOf("/v1/files", { method: "POST", body: form })
    assert.deepStrictEqual(shapeOf(created), { ...file, expires_at: "integer" })
    const { created_at: from, expires_at: until } = created as Record<"created_at" | "expires_at", number>
    assert.strictEqual(until - from, 3600)
    const { id: other } = created as { readonly id: string }
    assert.deepStrictEqual(await answerOf(`/v1/files/${other}`, { method: "DELETE" }), {
      id: other,
      object: "file",
      deleted: true
    })
  })

  it("about copies names accounts and states, and nothing of the provider's", async () => {
    const list = await answerOf(`/v1/files/${id}/replicas`)
    assert.deepStrictEqual(shapeOf(list), { object: "string", data: [replica] })
    const { data } = list as { readonly data: ReadonlyArray<Record<string, unknown>> }
    assert.sameMembers(
      data.map(({ account, state }) => `${String(account)} ${String(state)}`),
      ["alpha ready", "beta ready"]
    )
    for (const account of installation.accounts) {
      for (const { id: own } of installation.emulator.files(account)) assert.notInclude(JSON.stringify(list), own)
      assert.notInclude(JSON.stringify(list), Installation.providerKey(account))
    }
    assert.notInclude(JSON.stringify(list), installation.emulator.baseUrl)
  })

  it("about models has OpenAI's shape", async () => {
    assert.deepStrictEqual(shapeOf(await answerOf("/v1/models")), { object: "string", data: [model] })
    assert.deepStrictEqual(shapeOf(await answerOf("/v1/models/alpha")), model)
  })

  it("to a chat is the provider's", async () => {
    const body = JSON.stringify({ model: "alpha", messages: messagesOf(id) })
    const headers = { "content-type": "application/json" }
    const answer = await answerOf("/v1/chat/completions", { method: "POST", headers, body })
    assert.containsAllKeys(answer, ["id", "object", "created", "model", "choices", "usage"])
  })

  it("to whoever starts and stops the server is short", async () => {
    for (const path of ["/health/live", "/health/ready"]) {
      const answer = await fetch(server.url + path)
      assert.deepInclude(await answer.json(), { status: "ok" })
    }
  })

  it("that is a refusal has OpenAI's shape", async () => {
    for (const [method, path, status] of [
      ["GET", "/v1/files/file-none", 404],
      ["DELETE", "/v1/files/file-none", 404],
      ["GET", "/v1/models/none", 404],
      ["POST", "/v1/chat/completions", 400],
      ["POST", "/v1/files", 415]
    ] as const) {
      const call = method === "POST" ? { body: "{}", headers: { "content-type": "application/json" } } : {}
      const refused = await refusalOf(await installation.call(server, path, { method, ...call }))
      assert.strictEqual(refused.status, status, path)
    }
  })
})
