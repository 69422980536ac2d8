/** A file of somebody else, named in whatever place of a create and in whatever spelling: no provider hears of it. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { toFile } from "openai"
import * as World from "./support/world.ts"

let world: World.World
let mine: string
let theirs: string

beforeAll(async () => {
  world = await World.make()
  mine = await world.alice.upload("mine")
  theirs = await world.bob.upload("theirs")
})
afterAll(() => world.close())

/** How one member of an object can say `"file_id": theirs`, alone or beside a file that the caller may use. */
const spellings: Readonly<Record<string, (mine: string, theirs: string) => string>> = {
  plainly: (_, id) => `"file_id":"${id}"`,
  "with an escaped name": (_, id) => `"file\\u005fid" :\n"${id}"`,
  "with an escaped value": (_, id) => `"file_id":"\\u0066${id.slice(1)}"`,
  "before a file of one's own": (own, id) => `"file_id":"${id}","file_id":"${own}"`,
  "after a file of one's own": (own, id) => `"file_id":"${own}","file_id":"${id}"`
}

const chat = (content: string): string => `{"model":"model-alpha","messages":[{"role":"user","content":[${content}]}]}`
const response = (members: string): string => `{"model":"model-alpha",${members}}`
const message = (content: string): string =>
  `{"model":"model-claude","max_tokens":9,"messages":[{"role":"user","content":[${content}]}]}`

/** Bodies in which `MEMBER` names a file. */
const places: Readonly<Record<string, readonly [path: string, body: string]>> = {
  "a chat": ["/v1/chat/completions", chat('{"type":"file","file":{MEMBER}}')],
  "a second file of a chat": [
    "/v1/chat/completions",
    chat('{"type":"file","file":{"file_id":"MINE"}},{"type":"file","file":{MEMBER}}')
  ],
  "a chat with two lists of messages": [
    "/v1/chat/completions",
    '{"model":"model-alpha","messages":[{"role":"user","content":[{"type":"file","file":{MEMBER}}]}],"messages":[]}'
  ],
  "a response": ["/v1/responses", response('"input":[{"role":"user","content":[{"type":"input_file",MEMBER}]}]')],
  "an image of a response": [
    "/v1/responses",
    response('"input":[{"role":"user","content":[{"type":"input_image",MEMBER}]}]')
  ],
  "what a function has answered": [
    "/v1/responses",
    response('"input":[{"type":"function_call_output","call_id":"c","output":[{"type":"input_file",MEMBER}]}]')
  ],
  "a document of a message": ["/v1/messages", message('{"type":"document","source":{"type":"file",MEMBER}}')],
  "an image of a message": ["/v1/messages", message('{"type":"image","source":{"type":"file",MEMBER}}')],
  "a file for a container": ["/v1/messages", message('{"type":"container_upload",MEMBER}')],
  "what a tool has answered": [
    "/v1/messages",
    message('{"type":"tool_result","tool_use_id":"t","content":[{"type":"document","source":{"type":"file",MEMBER}}]}')
  ],
  "a count of tokens": [
    "/v1/messages/count_tokens",
    message('{"type":"document","source":{"type":"file",MEMBER}}').replace('"max_tokens":9,', "")
  ]
}

const asked = () =>
  [...world.openai.journal, ...world.anthropic.journal].filter(({ method }) => method === "POST").length

const post = (path: string, body: string) =>
  world.alice.call(path, { method: "POST", headers: { "content-type": "application/json" }, body })

const cases = Object.entries(places).flatMap(([place, [path, body]]) =>
  Object.entries(spellings).map(([spelling, member]) => ({ place, spelling, path, body, member }))
)

describe("a file of somebody else reaches no provider", () => {
  it.each(cases)("in $place, named $spelling", async ({ body, member, path }) => {
    const before = asked()
    const text = body.replaceAll("MEMBER", () => member(mine, theirs)).replaceAll("MINE", mine)
    const answer = await post(path, text)
    const refusal = await answer.text()
    assert.strictEqual(answer.status, 404, refusal)
    assert.include(refusal, theirs)
    assert.strictEqual(asked(), before)
  })

  it.each(cases.filter(({ path }) => !path.startsWith("/v1/messages")))(
    "in a line of a batch: $place, named $spelling",
    async ({ body, member, path }) => {
      const line = body.replaceAll("MEMBER", () => member(mine, theirs).replace("\n", " ")).replaceAll("MINE", mine)
      const lines = `{"custom_id":"1","method":"POST","url":"${path}","body":${line}}`
      const { openai } = world.alice
      const file = await openai.files.create({ file: await toFile(Buffer.from(lines), "b.jsonl"), purpose: "batch" })
      const before = asked()
      const request = { input_file_id: file.id, endpoint: path, completion_window: "24h" }
      const answer = await post("/v1/batches", JSON.stringify(request))
      const refusal = await answer.text()
      assert.strictEqual(answer.status, 404, refusal)
      assert.include(refusal, theirs)
      assert.strictEqual(asked(), before)
    }
  )

  it("as a part of an upload", async () => {
    const begin = { bytes: 4, filename: "a.txt", mime_type: "text/plain", purpose: "user_data" } as const
    const [own, other] = [await world.alice.openai.uploads.create(begin), await world.bob.openai.uploads.create(begin)]
    const data = new File(["1234"], "part")
    const part = await world.bob.openai.uploads.parts.create(other.id, { data })
    const before = asked()
    for (const part_ids of [[part.id], [theirs]]) {
      const answer = await post(`/v1/uploads/${own.id}/complete`, JSON.stringify({ part_ids }))
      assert.strictEqual(answer.status, 400)
      const foreign = await post(`/v1/uploads/${other.id}/complete`, JSON.stringify({ part_ids }))
      assert.strictEqual(foreign.status, 404)
    }
    assert.strictEqual(asked(), before)
  })
})
