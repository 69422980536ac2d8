/** Lists that end, have everything once, and bear deletion on the way. */
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { idsOf, refusalOf, upload } from "./support/calls.ts"
import * as Installation from "./support/Installation.ts"
import type { ServerProcess } from "./support/ServerProcess.ts"

const count = 1_003

let installation: Installation.Installation
let server: ServerProcess

/** Many at a time, so that many have the same second. */
const uploadMany = async (who: string, total: number): Promise<ReadonlyArray<string>> => {
  const client = installation.client(server, who)
  const ids: Array<string> = []
  let next = 0
  const uploader = async (): Promise<void> => {
    while (next < total) {
      const index = next++
      const purpose = index % 10 === 0 ? "assistants" : "user_data"
      ids.push((await upload(client, `file ${index}`, { name: `${index}.txt`, purpose })).id)
    }
  }
  await Promise.all(Array.from({ length: 16 }, uploader))
  return ids
}

beforeAll(async () => {
  installation = await Installation.open()
  server = await installation.start()
})
afterAll(() => installation.close())

describe(`a list of ${count} files`, { timeout: 60_000 }, () => {
  let ids: ReadonlyArray<string>

  beforeAll(async () => {
    ids = await uploadMany("alice", count)
  }, 60_000)

  it("has each of them once, page by page, in both directions", async () => {
    const client = installation.client(server)
    const descending = await idsOf(client.files.list({ limit: 97 }))
    assert.lengthOf(descending, count)
    assert.sameMembers([...descending], [...ids])
    const ascending = await idsOf(client.files.list({ limit: 250, order: "asc" }))
    assert.deepStrictEqual([...ascending].reverse(), descending)
    assert.deepStrictEqual(await idsOf(client.files.list({ limit: 10_000 })), descending)
    assert.deepStrictEqual(await idsOf(client.files.list()), descending)
    assert.lengthOf(await idsOf(client.files.list({ purpose: "assistants", limit: 7 })), Math.ceil(count / 10))
  })

  it("has pages that say where they begin and end", async () => {
    const all = await idsOf(installation.client(server).files.list())
    const page = async (query: string): Promise<unknown> => {
      const answer = await installation.call(server, `/v1/files?${query}`)
      const { data, ...rest } = (await answer.json()) as { readonly data: ReadonlyArray<{ readonly id: string }> }
      return { ...rest, ids: data.map(({ id }) => id) }
    }
    const pageOf = (from: number, end: number | undefined, has_more: boolean): unknown => {
      const some = all.slice(from, end)
      return { object: "list", ids: some, first_id: some[0] ?? null, last_id: some.at(-1) ?? null, has_more }
    }
    assert.deepStrictEqual(await page("limit=1"), pageOf(0, 1, true))
    assert.deepStrictEqual(await page(`limit=2&after=${all.at(-4)}`), pageOf(-3, -1, true))
    assert.deepStrictEqual(await page(`limit=2&after=${all.at(-3)}`), pageOf(-2, undefined, false))
    assert.deepStrictEqual(await page(`limit=2&after=${all.at(-1)}`), pageOf(count, undefined, false))
  })

  it("calls no provider", () => {
    assert.deepStrictEqual(installation.emulator.journal, [])
  })

  it("refuses what it does not understand, by name", async () => {
    for (const [query, param] of [
      ["limit=0", "limit"],
      ["limit=10001", "limit"],
      ["limit=-1", "limit"],
      ["limit=1.5", "limit"],
      ["limit=many", "limit"],
      ["limit=", "limit"],
      ["order=up", "order"],
      ["purpose=fun", "purpose"],
      ["after=file-none", "after"],
      ["after=", "after"]
    ] as const) {
      const refused = await refusalOf(await installation.call(server, `/v1/files?${query}`))
      assert.strictEqual(refused.status, 400, query)
      assert.strictEqual(refused.param, param, query)
    }
  })
})

describe("a list", { timeout: 60_000 }, () => {
  it("goes on while its files are deleted", async () => {
    const ids = await uploadMany("bob", 120)
    const client = installation.client(server, "bob")
    const deleted: Array<string> = []
    for await (const { id } of client.files.list({ limit: 25 })) {
      await client.files.delete(id)
      deleted.push(id)
    }
    assert.sameMembers(deleted, [...ids])
    assert.lengthOf(deleted, ids.length)
    assert.deepStrictEqual(await idsOf(client.files.list()), [])
    assert.lengthOf(await idsOf(installation.client(server, "admin").files.list()), count)
  })
})
