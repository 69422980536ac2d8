/** The Responses API through a gateway, by the official client. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import type { JournalEntry } from "@omnifile/testkit/OpenAIEmulator"
import type OpenAI from "openai"
import * as World from "./support/world.ts"

let world: World.World
beforeAll(async () => {
  world = await World.make()
})
afterAll(() => world.close())

type Input = OpenAI.Responses.ResponseInput

const ask = (text: string, ...files: ReadonlyArray<string>): Input => [
  {
    role: "user",
    content: [...files.map((file_id) => ({ type: "input_file" as const, file_id })), { type: "input_text", text }]
  }
]

const failureOf = (promise: Promise<unknown>): Promise<{ readonly status?: number; readonly error?: unknown }> =>
  promise.then(
    () => assert.fail("it succeeded"),
    (error: unknown) => error as { readonly status?: number }
  )

/** What the providers have been sent since, but for what is fetched from containers in the background. */
const since = (): (() => ReadonlyArray<JournalEntry>) => {
  const start = world.openai.journal.length
  return () => world.openai.journal.slice(start).filter(({ route }) => route?.startsWith("containers.") !== true)
}

const sent = (prompt: string): Promise<JournalEntry> =>
  world.openai.waitFor(({ body, route }) => route === "responses.create" && body?.includes(prompt) === true)

/** No text of a provider's own: its IDs. */
const assertUnified = (text: string): void => {
  const raw = world.openai.journal.flatMap(({ body }) => body?.match(/"(?:file-|resp_|cntr_)\w{24}"/g) ?? [])
  for (const id of raw) assert.notInclude(text, id)
}

/** The content has been fetched from its container: until then it has no ranges. */
const fetched = async (id: string): Promise<void> => {
  for (let looks = 0; looks < 200; looks++) {
    const answer = await world.alice.call(`/v1/files/${id}/content`)
    await answer.arrayBuffer()
    if (answer.headers.get("accept-ranges") === "bytes") return
  }
  assert.fail("the content was never fetched")
}

const annotationsOf = (response: OpenAI.Responses.Response) =>
  response.output.flatMap((item) =>
    item.type === "message" ? item.content.flatMap((part) => (part.type === "output_text" ? part.annotations : [])) : []
  )

describe("create", () => {
  it("answers with unified IDs, its own and those of the files that it cites", async () => {
    const { alice } = world
    const id = await alice.upload("a file to talk about")
    const response = await alice.openai.responses.create({ model: "model-beta", input: ask("tell me", id) })
    assert.include(response.output_text, "Answer from beta (model provider-beta).")
    assert.include(response.output_text, "File 1: notes.txt, 20 bytes")
    assert.match(response.id, /^resp_.{60,}$/)
    const [annotation] = annotationsOf(response)
    assert.deepInclude(annotation, { type: "file_citation", file_id: id })
    assertUnified(JSON.stringify(response))
  })

  it("streams the same, with the same IDs in every event", async () => {
    const { alice } = world
    const file = await alice.upload("a file to talk about")
    const stream = alice.openai.responses.stream({
      model: "model-alpha",
      input: ask("tell me", file),
      tools: [{ type: "code_interpreter", container: { type: "auto", file_ids: [file] } }]
    })
    const events: Array<OpenAI.Responses.ResponseStreamEvent> = []
    for await (const event of stream) events.push(event)
    const responses = events.flatMap((event) => ("response" in event ? [event.response.id] : []))
    assert.isAbove(responses.length, 2)
    assert.lengthOf([...new Set(responses)], 1)
    const completed = events.at(-1)
    assert.strictEqual(completed?.type, "response.completed")
    if (completed?.type !== "response.completed") return
    const cited = annotationsOf(completed.response)
    assert.deepStrictEqual(
      events.flatMap((event) => (event.type === "response.output_text.annotation.added" ? [event.annotation] : [])),
      cited
    )
    assert.include(JSON.stringify(cited), file)
    assertUnified(JSON.stringify(events))
    const again = await alice.openai.responses.retrieve(String(responses[0]))
    assert.deepStrictEqual(again.output, completed.response.output)
  })

  it("passes on what is long, and what it does not know, as it is", async () => {
    const text = 'Grüße "resp_big" \\ \u2028 '.repeat(20_000)
    const body = { id: "resp_big", object: "response", output: [], novel: { id: "resp_big", text }, number: 1e21 }
    world.openai.fault({ account: "beta", route: "responses.create", times: 1, kind: { status: 200, body } })
    const answer = await world.alice.call("/v1/responses", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "model-beta", input: "long" })
    })
    const read = await answer.text()
    assert.strictEqual(answer.headers.get("content-length"), String(Buffer.byteLength(read)))
    const { id } = JSON.parse(read) as { readonly id: string }
    assert.match(id, /^resp_.{60,}$/)
    assert.strictEqual(read, JSON.stringify({ ...body, id }))
  })

  it("gives out a file that a tool has made, for as long as we have it", async () => {
    const { alice, bob } = world
    const response = await alice.openai.responses.create({
      model: "model-beta",
      input: "compute",
      tools: [{ type: "code_interpreter", container: { type: "auto" } }]
    })
    const annotation = annotationsOf(response).find(({ type }) => type === "container_file_citation")
    if (annotation?.type !== "container_file_citation") return assert.fail("nothing was cited")
    assert.match(annotation.file_id, /^file-/)
    assert.match(annotation.container_id, /^cntr_.{60,}/)
    const content = await alice.openai.files.content(annotation.file_id)
    assert.strictEqual(await content.text(), "account,files\nbeta,0\n")
    const file = await alice.openai.files.retrieve(annotation.file_id)
    assert.deepInclude(file, { filename: "result.csv", purpose: "assistants_output" })
    assert.strictEqual((await failureOf(bob.openai.files.retrieve(annotation.file_id))).status, 404)

    const made = annotation.file_id
    await fetched(made)
    const named = await alice.openai.responses.create({ model: "model-beta", input: ask("and this?", made) })
    assert.include(named.output_text, "File 1: result.csv, 21 bytes")
    const history = [...response.output, ...ask("so?")] as Input
    const elsewhere = await alice.openai.responses.create({ model: "model-alpha", input: history })
    assert.include(elsewhere.output_text, "Answer from alpha")

    const code = { type: "code_interpreter" as const, container: annotation.container_id }
    const more = { model: "model-beta", input: "compute again", tools: [code] }
    const second = await alice.openai.responses.create(more)
    assert.include(JSON.stringify(second.output), annotation.container_id)
    const provider = since()
    assert.strictEqual((await failureOf(bob.openai.responses.create(more))).status, 404)
    assert.lengthOf(provider(), 0)
  })

  it("gives out a file of a tool though the provider says nothing of it but its content", async () => {
    const { alice } = world
    const fault = world.openai.fault({ route: "containers.files.retrieve", kind: { status: 404 } })
    const response = await alice.openai.responses.create({
      model: "model-alpha",
      input: "compute",
      tools: [{ type: "code_interpreter", container: { type: "auto" } }]
    })
    fault.clear()
    const [annotation] = annotationsOf(response)
    if (annotation?.type !== "container_file_citation") return assert.fail("nothing was cited")
    const content = await alice.openai.files.content(annotation.file_id)
    assert.strictEqual(await content.text(), "account,files\nalpha,0\n")
    assert.deepInclude(await alice.openai.files.retrieve(annotation.file_id), { filename: "result.csv", bytes: 22 })
  })

  it("asks nobody for what is not the caller's, wherever it is named", async () => {
    const { alice, bob } = world
    const file = await alice.upload("hers")
    const mine = await alice.openai.responses.create({ model: "model-alpha", input: "hello" })
    const computed = await alice.openai.responses.create({
      model: "model-alpha",
      input: "compute",
      tools: [{ type: "code_interpreter", container: { type: "auto" } }]
    })
    const foreign: ReadonlyArray<Record<string, unknown>> = [
      { input: ask("?", file) },
      { input: [{ role: "user", content: [{ type: "input_image", file_id: file, detail: "auto" }] }] },
      { input: [{ type: "function_call_output", call_id: "c", output: [{ type: "input_file", file_id: file }] }] },
      { input: "?", tools: [{ type: "code_interpreter", container: { type: "auto", file_ids: [file] } }] },
      { input: "?", tools: [{ type: "image_generation", input_image_mask: { file_id: file } }] },
      { input: "?", prompt: { id: "p", variables: { v: { type: "input_file", file_id: file } } } },
      { input: "?", previous_response_id: mine.id },
      { input: [...computed.output, ...ask("?")] }
    ]
    const raw = world.openai.files("alpha")[0]?.id ?? ""
    const unmanaged: ReadonlyArray<Record<string, unknown>> = [
      { input: ask("?", raw) },
      { input: "?", previous_response_id: "resp_0123456789" },
      { input: "?", tools: [{ type: "code_interpreter", container: "cntr_0123456789" }] },
      { input: [{ type: "code_interpreter_call", id: "ci_1", container_id: "cntr_0123456789" }] },
      { input: "?", conversation: "conv_1" },
      { input: "?", tools: [{ type: "file_search", vector_store_ids: ["vs_1"] }] }
    ]
    const provider = since()
    for (const body of [...foreign, ...unmanaged]) {
      const answer = await bob.call("/v1/responses", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "model-alpha", ...body })
      })
      assert.include(foreign.includes(body) ? [404] : [400, 404], answer.status, JSON.stringify(body))
      const { error } = (await answer.json()) as { readonly error: { readonly param: string | null } }
      assert.isNotNull(error.param, JSON.stringify(body))
    }
    assert.lengthOf(provider(), 0)
  })

  it("goes on from a response where it lies", async () => {
    const { alice } = world
    let response = await alice.openai.responses.create({ model: "shared", input: "first" })
    const home = /Answer from (\w+)/.exec(response.output_text)?.[1]
    for (let turn = 0; turn < 6; turn++) {
      const previous = response.id
      response = await alice.openai.responses.create({
        model: "shared",
        input: `turn ${turn}`,
        previous_response_id: previous
      })
      assert.include(response.output_text, `Answer from ${home} `)
      assert.include(response.output_text, "It goes on.")
      assert.strictEqual(response.previous_response_id, previous)
    }
    const elsewhere = { model: home === "alpha" ? "model-beta" : "model-alpha", input: "no" }
    const failed = await failureOf(alice.openai.responses.create({ ...elsewhere, previous_response_id: response.id }))
    assert.strictEqual(failed.status, 400)
  })

  it("does not go on from what lies in different accounts", async () => {
    const { alice } = world
    const tools = [{ type: "code_interpreter" as const, container: { type: "auto" as const } }]
    const computed = await alice.openai.responses.create({ model: "model-beta", input: "compute", tools })
    const [annotation] = annotationsOf(computed)
    const container = annotation?.type === "container_file_citation" ? annotation.container_id : ""
    const { id } = await alice.openai.responses.create({ model: "model-alpha", input: "hello" })
    const provider = since()
    const refused = await failureOf(
      alice.openai.responses.create({
        model: "shared",
        input: "both",
        previous_response_id: id,
        tools: [{ type: "code_interpreter", container }]
      })
    )
    assert.strictEqual(refused.status, 400)
    assert.deepInclude(refused.error, { param: "tools[0].container" })
    assert.lengthOf(provider(), 0)
  })

  it("names what the client named when the provider refuses it", async () => {
    const { alice } = world
    const { id } = await alice.openai.responses.create({ model: "model-alpha", input: "hello" })
    const next = { model: "model-alpha", input: "go on", previous_response_id: id }
    const provider = since()
    await alice.openai.responses.create(next)
    const raw = /"previous_response_id":"(resp_\w+)"/.exec(provider()[0]?.body ?? "")?.[1] ?? ""
    assert.notStrictEqual(raw, id)
    const error = { message: `Previous response with id '${raw}' not found.`, type: "invalid_request_error" }
    world.openai.fault({ route: "responses.create", times: 1, kind: { status: 400, body: { error } } })
    const refused = await failureOf(alice.openai.responses.create(next))
    assert.strictEqual(refused.status, 400)
    assert.deepInclude(refused.error, { message: `Previous response with id '${id}' not found.` })
  })

  it("makes a copy again that the provider has lost", async () => {
    const { alice } = world
    const file = await alice.upload("to be lost")
    const request = { model: "model-beta", input: ask("tell me", file) }
    const first = await alice.openai.responses.create(request)
    const copy = world.openai.files("beta").at(-1)?.id ?? ""
    assert.isTrue(world.openai.loseFile("beta", copy))
    assert.strictEqual((await alice.openai.responses.create(request)).output_text, first.output_text)
  })

  it("passes on what the provider refuses, once, and takes the next deployment when one fails", async () => {
    const { alice } = world
    const provider = since()
    const refused = await failureOf(
      alice.openai.responses.create({ model: "model-alpha", input: 7 as unknown as string })
    )
    assert.strictEqual(refused.status, 400)
    assert.deepInclude(refused.error, { param: "input" })
    assert.lengthOf(provider(), 1)
    const fault = world.openai.fault({ account: "alpha", route: "responses.create", kind: { status: 503 } })
    for (let call = 0; call < 3; call++) {
      const { output_text: text } = await alice.openai.responses.create({ model: "shared", input: "hello" })
      assert.include(text, "Answer from beta")
    }
    fault.clear()
  })

  it("gives a response that is not stored an ID that finds nothing", async () => {
    const { alice } = world
    const { id } = await alice.openai.responses.create({ model: "model-beta", input: "forget it", store: false })
    assert.match(id, /^resp_.{60,}$/)
    const provider = since()
    assert.strictEqual((await failureOf(alice.openai.responses.retrieve(id))).status, 404)
    assert.lengthOf(provider(), 0)
  })
})

describe("an Idempotency-Key", () => {
  const options = (key: string) => ({ headers: { "idempotency-key": key } })
  const created = (entries: ReadonlyArray<JournalEntry>) =>
    entries.filter(({ route }) => route === "responses.create").length

  it("gives the response that it has made, whole or as events, to its owner", async () => {
    const { alice, bob } = world
    const request = { model: "model-beta", input: "once" }
    const provider = since()
    const first = await alice.openai.responses.create(request, options("once"))
    const [second, third] = await Promise.all([
      alice.openai.responses.create(request, options("once")),
      alice.openai.responses.create(request, options("once"))
    ])
    assert.deepStrictEqual([second.id, third.id], [first.id, first.id])
    assert.strictEqual(second.output_text, first.output_text)
    assert.strictEqual(created(provider()), 1)
    assert.notStrictEqual((await bob.openai.responses.create(request, options("once"))).id, first.id)

    const streamed = { ...request, stream: true as const }
    const ids = new Set<string>()
    for (let time = 0; time < 2; time++) {
      for await (const event of await alice.openai.responses.create(streamed, options("streamed"))) {
        if ("response" in event) ids.add(event.response.id)
      }
    }
    assert.strictEqual(ids.size, 1)
    assert.strictEqual(created(provider()), 3)
  })

  it("makes one response of equal requests at once, and refuses others", async () => {
    const { alice } = world
    const request = { model: "model-beta", input: "all at once" }
    const provider = since()
    const all = Array.from({ length: 5 }, () => alice.openai.responses.create(request, options("at-once")))
    assert.lengthOf([...new Set((await Promise.all(all)).map(({ id }) => id))], 1)
    assert.strictEqual(created(provider()), 1)
    const other = { ...request, input: "something else" }
    const refused = await failureOf(alice.openai.responses.create(other, options("at-once")))
    assert.strictEqual(refused.status, 409)
    assert.strictEqual(created(provider()), 1)
  })

  it("is free again after a failure, and after the response is deleted", async () => {
    const { alice } = world
    const request = { model: "model-beta", input: "again" }
    const fault = world.openai.fault({ account: "beta", route: "responses.create", times: 1, kind: { status: 500 } })
    assert.strictEqual((await failureOf(alice.openai.responses.create(request, options("again")))).status, 502)
    assert.strictEqual(fault.hits(), 1)
    const { id } = await alice.openai.responses.create(request, options("again"))
    await alice.openai.responses.delete(id)
    assert.notStrictEqual((await alice.openai.responses.create(request, options("again"))).id, id)
  })
})

describe("a stored response", () => {
  it("is found, listed, and deleted by its owner only", async () => {
    const { alice, bob } = world
    const file = await alice.upload("a file to talk about")
    const { id } = await alice.openai.responses.create({ model: "model-beta", input: ask("tell me", file) })
    const provider = since()
    for (const call of [
      () => bob.openai.responses.retrieve(id),
      () => bob.openai.responses.inputItems.list(id),
      () => bob.openai.responses.cancel(id),
      () => bob.openai.responses.delete(id),
      () => alice.openai.responses.retrieve("resp_0123456789")
    ]) {
      assert.strictEqual((await failureOf(Promise.resolve(call()))).status, 404)
    }
    assert.lengthOf(provider(), 0)

    assert.strictEqual((await alice.openai.responses.retrieve(id)).id, id)
    const items = await alice.openai.responses.inputItems.list(id)
    assert.include(JSON.stringify(items.data), file)
    assertUnified(JSON.stringify(items.data))
    await alice.openai.responses.delete(id)
    assert.strictEqual((await failureOf(alice.openai.responses.retrieve(id))).status, 404)
  })

  it("is streamed again from where the client left off", async () => {
    const { alice } = world
    const { id } = await alice.openai.responses.create({ model: "model-beta", input: "tell me" })
    const provider = since()
    const ids = new Set<string>()
    for await (const event of await alice.openai.responses.retrieve(id, { stream: true, starting_after: 1 })) {
      if ("response" in event) ids.add(event.response.id)
    }
    assert.deepStrictEqual([...ids], [id])
    assert.match(provider()[0]?.path ?? "", /\?stream=true&starting_after=1$/)
  })

  it("is cancelled while it works in the background", async () => {
    const { alice } = world
    const { id, status } = await alice.openai.responses.create({
      model: "model-beta",
      input: "take your time",
      background: true
    })
    assert.strictEqual(status, "queued")
    assert.deepInclude(await alice.openai.responses.cancel(id), { id, status: "cancelled" })
    const other = await alice.openai.responses.create({ model: "model-beta", input: "now" })
    const refused = await failureOf(alice.openai.responses.cancel(other.id))
    assert.strictEqual(refused.status, 400)
  })

  it("is asked for again when the provider fails", async () => {
    const { alice } = world
    const { id } = await alice.openai.responses.create({ model: "model-beta", input: "hello" })
    const fault = world.openai.fault({ route: "responses.retrieve", times: 1, kind: { status: 503 } })
    assert.strictEqual((await alice.openai.responses.retrieve(id)).id, id)
    assert.strictEqual(fault.hits(), 1)
  })

  it("that the provider has lost is not found", async () => {
    const { alice } = world
    const { id } = await alice.openai.responses.create({ model: "model-beta", input: "to be lost" })
    const fault = world.openai.fault({ route: "responses.retrieve", kind: { status: 404 } })
    const failed = await failureOf(alice.openai.responses.retrieve(id))
    fault.clear()
    assert.strictEqual(failed.status, 404)
    assert.include(JSON.stringify(failed.error), id)
  })
})

describe("a stream", () => {
  it("ends at the provider when the client leaves in the middle", async () => {
    const prompt = "endless story"
    const stream = await world.alice.openai.responses.create({ model: "model-ticker", input: prompt, stream: true })
    let deltas = 0
    for await (const event of stream) {
      if (event.type === "response.output_text.delta") deltas += 1
      if (deltas === 3) break
    }
    const entry = await sent(prompt)
    await world.openai.waitFor((candidate) => candidate === entry && candidate.aborted)
  })

  it("breaks when the provider's does, without an end", async () => {
    const fault = world.openai.fault({
      account: "alpha",
      route: "responses.create",
      times: 1,
      kind: { cutStreamAfterEvents: 4 }
    })
    const answer = await world.alice.call("/v1/responses", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "model-alpha", input: "to be broken", stream: true })
    })
    assert.match(answer.headers.get("content-type") ?? "", /^text\/event-stream/)
    let text = ""
    const broken = await failureOf(
      (async () => {
        for await (const chunk of answer.body ?? []) text += Buffer.from(chunk).toString()
      })()
    )
    assert.isDefined(broken)
    assert.match(text, /^event: response.created\n/)
    assert.notInclude(text, "response.completed")
    assert.strictEqual(fault.hits(), 1)
  })
})
