/** Every cell of the access matrix, for every operation that names a file. */
import type OpenAI from "openai"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { ask, contentOf, idsOf, refusal, refusalOf, upload } from "./support/calls.ts"
import * as Installation from "./support/Installation.ts"
import type { ServerProcess } from "./support/ServerProcess.ts"

const keys = {
  admin: { key: "sk-client-admin-1-aaaaaaaa", role: "admin" },
  alice: { key: "sk-client-alice-1-bbbbbbbb", user: "alice" },
  aliceElsewhere: { key: "sk-client-alice-2-cccccccc", user: "alice" },
  aliceAtAlpha: { key: "sk-client-alice-3-dddddddd", user: "alice", models: ["alpha"] },
  bob: { key: "sk-client-bob-1-eeeeeeee", user: "bob" },
  carolInRed: { key: "sk-client-carol-1-ffffffff", user: "carol", team: "red" },
  daveInRed: { key: "sk-client-dave-1-gggggggg", user: "dave", team: "red" },
  daveInBlue: { key: "sk-client-dave-2-hhhhhhhh", user: "dave", team: "blue" },
  redService: { key: "sk-client-red-1-iiiiiiii", team: "red" },
  blueService: { key: "sk-client-blue-1-jjjjjjjj", team: "blue" },
  someKey: { key: "sk-client-key-1-kkkkkkkk" },
  otherKey: { key: "sk-client-key-2-llllllll" },
  // A user of this name is another than the team, and than the user whose name reads the same once it is encoded.
  userRed: { key: "sk-client-user-red-mmmmmmmm", user: "red" },
  userEncoded: { key: "sk-client-encoded-nnnnnnnn", user: "al%69ce" }
} as const satisfies Readonly<Record<string, Installation.Key>>

type Who = keyof typeof keys

const everyone = Object.keys(keys) as ReadonlyArray<Who>

const alices = ["alice", "aliceElsewhere", "aliceAtAlpha"] as const
const red = ["carolInRed", "daveInRed", "redService"] as const

/** Whose files each caller sees, beside those of the very same key. */
const sees: Readonly<Record<Who, ReadonlyArray<Who>>> = {
  admin: everyone,
  alice: alices,
  aliceElsewhere: alices,
  aliceAtAlpha: alices,
  bob: [],
  carolInRed: red,
  // The files of a user's other team are that user's own.
  daveInRed: [...red, "daveInBlue"],
  daveInBlue: ["daveInRed", "blueService"],
  redService: red,
  blueService: ["daveInBlue"],
  someKey: [],
  otherKey: [],
  userRed: [],
  userEncoded: []
}

const maySee = (who: Who, owner: Who): boolean => who === owner || sees[who].includes(owner)

let installation: Installation.Installation
let server: ServerProcess
/** The ID of a file that is gone and was nobody's of these. */
let missing: string

const clientOf = (who: Who): OpenAI => installation.client(server, who)

beforeAll(async () => {
  installation = await Installation.open({
    keys: { ...keys, stranger: { key: "sk-client-stranger-oooooooo", user: "eve" } }
  })
  server = await installation.start()
  const stranger = installation.client(server, "stranger")
  missing = (await upload(stranger, "gone")).id
  await stranger.files.delete(missing)
})
afterAll(() => installation.close())

/** What is answered, without the ID that was asked for. */
const answerTo = async (who: Who, path: (id: string) => string, id: string, method = "GET") => {
  const refused = await refusalOf(await installation.call(server, path(id), { who, method }))
  const { headers, message, ...rest } = refused
  const names = [...headers.keys()].filter((name) => name !== "content-length")
  return { ...rest, names, message: message.replaceAll(id, "ID") }
}

/** What every caller may ask of a file, by method and path. */
const operations = [
  ["GET", (id: string) => `/v1/files/${id}`, 404],
  ["GET", (id: string) => `/v1/files/${id}/content`, 404],
  ["GET", (id: string) => `/v1/files/${id}/replicas`, 404],
  ["DELETE", (id: string) => `/v1/files/${id}`, 404],
  ["GET", (id: string) => `/v1/files?after=${id}`, 400]
] as const

const answersTo = async (who: Who, id: string): Promise<ReadonlyArray<unknown>> => {
  const chat = await refusal(ask(clientOf(who), "alpha", id))
  const answers: Array<unknown> = [[chat.status, chat.param, chat.message.replaceAll(id, "ID")]]
  for (const [method, path, status] of operations) {
    const answer = await answerTo(who, path, id, method)
    assert.strictEqual(answer.status, status, `${who} ${method} ${path("ID")}`)
    answers.push(answer)
  }
  return answers
}

const owners = new Map<Who, OpenAI.FileObject>()
/** What each caller but the admin is answered about a file that nobody of them has. */
const unknown = new Map<Who, ReadonlyArray<unknown>>()

describe("a file", { timeout: 60_000 }, () => {
  beforeAll(async () => {
    for (const owner of everyone) {
      const models = owner === "aliceAtAlpha" ? "alpha" : "alpha,beta"
      owners.set(owner, await upload(clientOf(owner), `of ${owner}`, { name: `${owner}.txt`, models }))
      if (owner !== "admin") unknown.set(owner, await answersTo(owner, missing))
    }
  })

  for (const owner of everyone) {
    it(`of ${owner} is there for whom it concerns, and for nobody else`, async () => {
      const { id } = owners.get(owner) ?? { id: "" }
      for (const who of everyone) {
        const client = clientOf(who)
        const listed = await idsOf(client.files.list())
        assert.strictEqual(listed.includes(id), maySee(who, owner), `${who} lists it`)
        if (maySee(who, owner)) {
          assert.strictEqual((await client.files.retrieve(id)).filename, `${owner}.txt`, who)
          assert.strictEqual((await contentOf(client, id)).toString(), `of ${owner}`, who)
          assert.include(await ask(client, "alpha", id), `${owner}.txt`, who)
          assert.strictEqual((await installation.call(server, `/v1/files/${id}/replicas`, { who })).status, 200, who)
          assert.isTrue((await installation.call(server, `/v1/files?after=${id}`, { who })).ok, who)
        } else {
          const before = installation.emulator.journal.length
          assert.deepStrictEqual(await answersTo(who, id), unknown.get(who), who)
          assert.strictEqual(installation.emulator.journal.length, before, who)
        }
      }
    })
  }

  it("is deleted by whom it concerns", async () => {
    for (const owner of everyone) {
      for (const who of everyone.filter((candidate) => maySee(candidate, owner))) {
        const { id } = await upload(clientOf(owner), "to be deleted")
        const answer = await clientOf(who).files.delete(id)
        assert.deepStrictEqual({ ...answer }, { id, object: "file", deleted: true }, `${who} of ${owner}`)
        assert.strictEqual((await refusal(clientOf(owner).files.retrieve(id))).status, 404)
      }
    }
    // Nobody's attempt on the others has done them any harm.
    const left = await idsOf(clientOf("admin").files.list())
    assert.sameMembers(
      [...left],
      [...owners.values()].map(({ id }) => id)
    )
  })

  it("is checked in the messages of every role", async () => {
    const { id } = owners.get("bob") ?? { id: "" }
    for (const role of ["system", "developer", "assistant", "tool"]) {
      const body = JSON.stringify({
        model: "alpha",
        messages: [
          { role, tool_call_id: "call_1", content: [{ type: "file", file: { file_id: id } }] },
          { role: "user", content: "Well?" }
        ]
      })
      const headers = { "content-type": "application/json" }
      const answer = await installation.call(server, "/v1/chat/completions", { method: "POST", headers, body })
      const refused = await refusalOf(answer)
      assert.strictEqual(refused.status, 404, role)
      assert.strictEqual(refused.param, "messages[0].content[0].file.file_id")
    }
  })
})

describe("a key", { timeout: 60_000 }, () => {
  it("is needed for everything but the health of the server", async () => {
    for (const authorization of ["", "Bearer", "Bearer wrong", "Basic YWxpY2U6", keys.alice.key]) {
      for (const [method, path] of [
        ["GET", "/v1/files"],
        ["POST", "/v1/files"],
        ["GET", `/v1/files/${missing}`],
        ["DELETE", `/v1/files/${missing}`],
        ["GET", "/v1/models"],
        ["POST", "/v1/chat/completions"]
      ] as const) {
        const headers: Record<string, string> = authorization === "" ? {} : { authorization }
        const answer = await fetch(server.url + path, { method, headers })
        assert.strictEqual((await refusalOf(answer)).status, 401, `${authorization} ${method} ${path}`)
      }
    }
    for (const path of ["/health/live", "/health/ready"]) {
      assert.strictEqual((await fetch(server.url + path)).status, 200)
    }
  })

  it("opens only its models", async () => {
    const client = clientOf("aliceAtAlpha")
    const modelsOf = async (who: Who) => (await clientOf(who).models.list()).data.map(({ id }) => id)
    assert.deepStrictEqual(await modelsOf("aliceAtAlpha"), ["alpha"])
    assert.deepStrictEqual(await modelsOf("alice"), ["alpha", "beta", "gamma"])
    assert.strictEqual((await client.models.retrieve("alpha")).id, "alpha")
    assert.strictEqual((await refusal(client.models.retrieve("beta"))).status, 404)
    const before = installation.emulator.journal.length
    assert.include([400, 403, 404], (await refusal(upload(client, "x", { models: "alpha,beta" }))).status)
    assert.include([400, 403, 404], (await refusal(ask(client, "beta"))).status)
    assert.strictEqual(installation.emulator.journal.length, before)
    assert.include(await ask(client, "alpha"), "Answer from alpha")
  })
})
