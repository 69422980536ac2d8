/** Files arrive at every account as they were sent, side by side, once for each account, or not at all. */
import * as FormBody from "@omnifile/testkit/host/FormBody"
import { isDeepStrictEqual } from "node:util"
import type OpenAI from "openai"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { contentOf, form, refusal, refusalOf, upload } from "./support/calls.ts"
import { eventually } from "./support/eventually.ts"
import * as Installation from "./support/Installation.ts"
import * as Random from "./support/Random.ts"
import * as Samples from "./support/Samples.ts"
import type { ServerProcess } from "./support/ServerProcess.ts"

let installation: Installation.Installation
let server: ServerProcess

beforeAll(async () => {
  installation = await Installation.open({
    models: { "twin-of-alpha": [{ account: "alpha", model: "provider-twin" }] },
    settings: { server: { port: 0, max_file_size: "8MiB" } }
  })
  server = await installation.start()
})
afterAll(() => installation.close())

/** What the accounts hold under a name, as `account size digest`. */
const copiesOf = (filename: string): ReadonlyArray<string> =>
  installation.accounts.flatMap((account) =>
    installation.emulator
      .files(account)
      .filter((file) => file.filename === filename)
      .map(({ bytes, sha256 }) => `${account} ${bytes} ${sha256}`)
  )

const copiesIn = (accounts: ReadonlyArray<string>, content: Uint8Array): ReadonlyArray<string> =>
  accounts.map((account) => `${account} ${content.length} ${Samples.sha256(content)}`)

const all = "alpha,beta,gamma"

describe("a file", { timeout: 60_000 }, () => {
  const samples = [
    { what: "a PDF", purpose: "user_data", extension: "pdf", type: "application/pdf", content: Samples.pdf() },
    { what: "a JSONL", purpose: "fine-tune", extension: "jsonl", type: "application/jsonl", content: Samples.jsonl() },
    { what: "an empty file", purpose: "user_data", extension: "txt", type: "text/plain", content: Buffer.alloc(0) }
  ]
  for (const { content, extension, purpose, type, what } of samples) {
    for (const order of ["before", "after"]) {
      for (const framing of ["with its length", "in chunks"] as const) {
        it(`that is ${what} arrives byte by byte, fields ${order} it, sent ${framing}`, async () => {
          const { emulator } = installation
          const filename = `${order}-${framing.replaceAll(" ", "-")}.${extension}`
          const fields = [FormBody.field("purpose", purpose), FormBody.field("target_model_names", all)]
          const file = FormBody.file(filename, content, type)
          const parts = order === "before" ? [...fields, file] : [file, ...fields]
          const answer = await installation.call(server, "/v1/files", form(parts, framing))
          const created = (await answer.json()) as OpenAI.FileObject
          assert.strictEqual(answer.status, 200, JSON.stringify(created))
          assert.deepStrictEqual(
            [created.object, created.bytes, created.filename, created.purpose as string],
            ["file", content.length, filename, purpose]
          )
          assert.deepStrictEqual(copiesOf(filename), copiesIn(installation.accounts, content))
          for (const sent of emulator.journal.filter((entry) => entry.upload?.filename === filename)) {
            assert.strictEqual(sent.upload?.contentType, type)
            assert.deepStrictEqual(sent.upload?.fields, [{ name: "purpose", value: purpose }])
          }
          assert.isTrue((await contentOf(installation.client(server), created.id)).equals(content))
        })
      }
    }
  }

  it("with the requests of a batch comes back as it was sent, whatever its providers were given", async () => {
    const content = Samples.batch("alpha")
    const client = installation.client(server)
    const file = await upload(client, content, { name: "batch.jsonl", purpose: "batch", models: "alpha,beta" })
    assert.strictEqual(file.bytes, content.length)
    assert.isTrue((await contentOf(client, file.id)).equals(content))
    assert.lengthOf(copiesOf("batch.jsonl"), 2)
  })

  it("comes back although its provider forbids downloads, whole and in parts", async () => {
    const content = Samples.pdf(50_000)
    const file = await upload(installation.client(server), content, { name: "parts.pdf", models: "beta" })
    const part = async (range: string) => {
      const answer = await installation.call(server, `/v1/files/${file.id}/content`, { headers: { range } })
      return { status: answer.status, range: answer.headers.get("content-range"), body: await answer.bytes() }
    }
    const { length } = content
    const ranges = [
      ["bytes=0-0", 0, 1],
      ["bytes=1000-1999", 1000, 2000],
      ["bytes=40000-", 40_000, length],
      ["bytes=-500", length - 500, length],
      [`bytes=${length - 1}-999999999`, length - 1, length]
    ] as const
    for (const [range, start, end] of ranges) {
      const answer = await part(range)
      assert.strictEqual(answer.status, 206, range)
      assert.strictEqual(answer.range, `bytes ${start}-${end - 1}/${length}`)
      assert.isTrue(content.subarray(start, end).equals(answer.body), range)
    }
    const beyond = await part(`bytes=${length}-`)
    assert.strictEqual(beyond.status, 416)
    assert.strictEqual(beyond.range, `bytes */${length}`)
  })

  it("goes to all accounts at the same time", async () => {
    const { emulator } = installation
    const faults = installation.accounts.map((account) =>
      emulator.fault({ account, route: "files.create", times: 1, kind: { hang: true } })
    )
    const client = new AbortController()
    const parts = [
      FormBody.field("purpose", "user_data"),
      FormBody.field("target_model_names", all),
      FormBody.file("side-by-side.bin", Random.make(1).bytes(1_000_000))
    ]
    const answer = installation.call(server, "/v1/files", { ...form(parts), signal: client.signal })
    // None of the three has answered: one after the other, the second would never begin.
    for (const account of installation.accounts) {
      const sent = await emulator.waitFor(
        (entry) => entry.account === account && entry.upload?.filename === "side-by-side.bin"
      )
      assert.strictEqual(sent.upload?.bytes, 1_000_000)
    }
    for (const { clear } of faults) clear()
    client.abort()
    await answer.catch(() => {})
  })

  it("has one copy for two models of one account", async () => {
    const models = "alpha,twin-of-alpha, alpha ,,twin-of-alpha"
    const file = await upload(installation.client(server), "twins", { name: "twins.txt", models })
    assert.deepStrictEqual(copiesOf("twins.txt"), copiesIn(["alpha"], Buffer.from("twins")))
    const answer = await installation.call(server, `/v1/files/${file.id}/replicas`)
    const { data } = (await answer.json()) as { readonly data: ReadonlyArray<Record<string, unknown>> }
    assert.deepStrictEqual(
      data.map(({ account, state }) => [account, state]),
      [["alpha", "ready"]]
    )
  })

  it("is another file when it is sent again", async () => {
    const client = installation.client(server)
    const twice = [await upload(client, "again"), await upload(client, "again")]
    assert.strictEqual(new Set(twice.map(({ id }) => id)).size, 2)
  })

  it("has the name that its sender gave it, everywhere", async () => {
    const name = "größe 数; filename=x.txt"
    const file = await upload(installation.client(server), "named", { name, models: "alpha,beta" })
    assert.strictEqual(file.filename, name)
    assert.deepStrictEqual(copiesOf(name), copiesIn(["alpha", "beta"], Buffer.from("named")))
    const content = await installation.call(server, `/v1/files/${file.id}/content`)
    assert.include(content.headers.get("content-disposition"), encodeURIComponent("größe"))
    await content.body?.cancel()
  })
})

describe("an upload that is wrong", { timeout: 60_000 }, () => {
  const purpose = FormBody.field("purpose", "user_data")
  const file = FormBody.file("wrong.txt", "wrong")
  const wrongs: ReadonlyArray<readonly [what: string, parts: ReadonlyArray<FormBody.Part>, param: string]> = [
    ["without a purpose", [file], "purpose"],
    ["with two purposes", [purpose, FormBody.field("purpose", "batch"), file], "purpose"],
    ["for an output purpose", [FormBody.field("purpose", "batch_output"), file], "purpose"],
    ["for an unknown purpose", [FormBody.field("purpose", "fun"), file], "purpose"],
    ["without a file", [purpose], "file"],
    ["with two files", [purpose, file, file], "file"],
    ["with a file that has no name", [purpose, FormBody.field("file", "text")], "file"],
    ["for an unknown model", [purpose, file, FormBody.field("target_model_names", "alpha,none")], "target_model_names"],
    ["that expires halfway", [purpose, file, FormBody.field("expires_after[seconds]", "7200")], "expires_after"],
    [
      "that expires too soon",
      [
        purpose,
        file,
        FormBody.field("expires_after[anchor]", "created_at"),
        FormBody.field("expires_after[seconds]", "3599")
      ],
      "expires_after"
    ]
  ]
  for (const [what, parts, param] of wrongs) {
    it(`${what} is refused before any provider is called`, async () => {
      const before = installation.emulator.journal.length
      const refused = await refusalOf(await installation.call(server, "/v1/files", form(parts)))
      assert.strictEqual(refused.status, 400)
      assert.isTrue(refused.param?.startsWith(param), `${refused.param}`)
      assert.strictEqual(installation.emulator.journal.length, before)
    })
  }

  it("and too large is refused so that its sender gets to know it", async () => {
    const parts = [purpose, FormBody.file("large.bin", Buffer.alloc(9 * 1024 * 1024))]
    for (const framing of ["with its length", "in chunks"] as const) {
      const refused = await refusalOf(await installation.call(server, "/v1/files", form(parts, framing)))
      assert.strictEqual(refused.status, 413, framing)
    }
  })

  it("leaves nothing in the data directory", async () => {
    const blobs = Installation.filesIn(`${installation.data}/blobs`).length
    assert.strictEqual(blobs, (await installation.client(server, "admin").files.list()).data.length)
  })
})

describe("an upload that some accounts refuse", { timeout: 60_000 }, () => {
  it("is taken back everywhere, and names each of them", async () => {
    const { emulator } = installation
    const faults = (["beta", "gamma"] as const).map((account, index) =>
      emulator.fault({ account, route: "files.create", kind: { status: [400, 503][index] ?? 0 } })
    )
    const refused = await refusal(upload(installation.client(server), "refused", { name: "refused.txt", models: all }))
    for (const { clear } of faults) clear()
    assert.strictEqual(refused.status, 502)
    assert.include(refused.message, "beta")
    assert.include(refused.message, "gamma")
    assert.notInclude(refused.message, "alpha")
    assert.notInclude(refused.message, emulator.baseUrl)
    assert.deepStrictEqual(copiesOf("refused.txt"), [])
    const { data } = await installation.client(server).files.list()
    assert.notInclude(
      data.map(({ filename }) => filename),
      "refused.txt"
    )
    assert.strictEqual(faults[0]?.hits(), 1, "a refusal is final")
    assert.isAbove(faults[1]?.hits() ?? 0, 1, "an outage is not")
  })

  for (const kind of [{ status: 429, retryAfter: 0 }, { status: 500 }, { cutAfterBytes: 10 }]) {
    it(`is tried again after ${JSON.stringify(kind)}`, async () => {
      const { emulator } = installation
      const name = `again-after-${Object.keys(kind).join("-")}-${"status" in kind ? kind.status : ""}`
      const fault = emulator.fault({ account: "beta", route: "files.create", times: 1, kind })
      await upload(installation.client(server), "x".repeat(1_000), { name, models: "alpha,beta" })
      assert.strictEqual(fault.hits(), 1)
      assert.deepStrictEqual(copiesOf(name), copiesIn(["alpha", "beta"], Buffer.from("x".repeat(1_000))))
    })
  }
})

describe("a deletion", () => {
  const copies = (name: string): number => copiesOf(name).length

  it("is answered although a provider fails, and is done there later", async () => {
    const { emulator } = installation
    const client = installation.client(server)
    const file = await upload(client, "to go", { name: "to-go.txt", models: all })
    const fault = emulator.fault({ account: "beta", route: "files.delete", kind: { status: 500 } })
    assert.isTrue((await client.files.delete(file.id)).deleted)
    assert.strictEqual((await refusal(client.files.retrieve(file.id))).status, 404)
    assert.strictEqual((await refusal(client.files.delete(file.id))).status, 404)
    assert.isAtLeast(copies("to-go.txt"), 1)
    fault.clear()
    await eventually(() => copies("to-go.txt") === 0, { what: "every copy is gone" })
  })

  it("is done where there is no copy any more", async () => {
    const { emulator } = installation
    const client = installation.client(server)
    const file = await upload(client, "gone", { name: "gone.txt", models: "alpha,beta" })
    for (const account of ["alpha", "beta"]) {
      for (const { filename, id } of emulator.files(account))
        if (filename === "gone.txt") emulator.loseFile(account, id)
    }
    const start = emulator.journal.length
    assert.isTrue((await client.files.delete(file.id)).deleted)
    const deletions = () => emulator.journal.slice(start).filter(({ route }) => route === "files.delete")
    await eventually(() => deletions().filter(({ done }) => done).length === 2, { what: "both were told" })
    assert.deepStrictEqual(
      deletions().map(({ status }) => status),
      [404, 404]
    )
  })
})

describe("an installation that keeps what it can", { timeout: 60_000 }, () => {
  it("keeps a file that one account took, and makes the other copy later", async ({ onTestFinished }) => {
    const keeping = await Installation.open({ settings: { files: { on_partial_failure: "any" } } })
    onTestFinished(keeping.close)
    const { emulator } = keeping
    const process = await keeping.start()
    const client = keeping.client(process)
    const states = async (id: string): Promise<Readonly<Record<string, unknown>>> => {
      const answer = await keeping.call(process, `/v1/files/${id}/replicas`)
      const { data } = (await answer.json()) as { readonly data: ReadonlyArray<{ account: string; state: string }> }
      return Object.fromEntries(data.map(({ account, state }) => [account, state]))
    }
    const fault = emulator.fault({ account: "beta", route: "files.create", kind: { status: 400 } })
    const file = await upload(client, "kept", { models: "alpha,beta" })
    assert.deepStrictEqual(await states(file.id), { alpha: "ready", beta: "failed" })
    fault.clear()
    await eventually(() => emulator.files("beta").length === 1, { what: "beta has its copy" })
    const areReady = async (): Promise<boolean> =>
      isDeepStrictEqual(await states(file.id), { alpha: "ready", beta: "ready" })
    await eventually(areReady, { what: "both copies are ready" })

    const faults = ["alpha", "beta"].map((account) =>
      emulator.fault({ account, route: "files.create", kind: { status: 400 } })
    )
    const refused = await refusal(upload(client, "nowhere", { models: "alpha,beta" }))
    for (const { clear } of faults) clear()
    assert.strictEqual(refused.status, 502)
    assert.lengthOf((await client.files.list()).data, 1)
  })
})
