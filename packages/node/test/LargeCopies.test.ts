/** Files that a provider does not take in one request reach it in parts. */
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import { failure } from "@omnifile/testkit/host/checks"
import * as RunningHost from "@omnifile/testkit/host/RunningHost"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import { Account, CallPolicy } from "@omnifile/core/Account"
import * as OpenAI from "@omnifile/provider-openai/OpenAI"
import { createHash } from "node:crypto"
import * as Open from "../src/Open.ts"

/** At most 1,000 bytes in one request, and 10,000 in parts of 400. */
const small = OpenAI.make({
  id: "small",
  files: { maxBytes: 1_000, parts: { maxBytes: 10_000, partBytes: 400 } }
})

let host: RunningHost.RunningHost

beforeEach(async () => {
  host = await RunningHost.start({
    build: ({ configuration, ...rest }) =>
      Open.open({
        ...rest,
        providers: [small],
        configuration: {
          ...configuration,
          accounts: configuration.accounts.map(
            (account) =>
              new Account({
                ...account,
                provider: small.id,
                exclusive: true,
                policy: new CallPolicy({ ...account.policy, attempts: 2 })
              })
          )
        }
      }),
    serve: (gateway) => HostSuite.listen((incoming, response) => void gateway.node(incoming, response))
  })
})
afterEach(() => host.stop())

const contentOf = (bytes: number): string => Array.from({ length: bytes }, (_, index) => index % 10).join("")

const upload = (content: string, options = {}) => {
  const target = { target_model_names: "model-alpha" }
  return host.openai.files.create({ file: new File([content], "large.txt"), purpose: "user_data", ...target }, options)
}

const routesOf = (account: string): ReadonlyArray<string | undefined> =>
  host.emulator.journal.filter((entry) => entry.account === account).map(({ route }) => route)

const copies = () => host.emulator.files("alpha").map(({ bytes, filename, sha256 }) => ({ bytes, filename, sha256 }))

const copyOf = (content: string) => ({
  bytes: content.length,
  filename: "large.txt",
  sha256: createHash("sha256").update(content).digest("hex")
})

describe("a file that is too large for one request", () => {
  it("comes in parts, and is used and deleted like any other", async () => {
    const content = contentOf(1_234)
    const file = await upload(content)
    assert.deepStrictEqual(copies(), [copyOf(content)])
    assert.deepStrictEqual(routesOf("alpha").toSorted(), [
      "uploads.complete",
      "uploads.create",
      ...Array.from({ length: 4 }, () => "uploads.parts.create")
    ])
    assert.strictEqual(await (await host.openai.files.content(file.id)).text(), content)
    await host.openai.files.delete(file.id)
    assert.deepStrictEqual(copies(), [])
  })

  it("and one that is not comes as before", async () => {
    await upload(contentOf(1_000))
    assert.deepStrictEqual(routesOf("alpha"), ["files.create"])
  })

  it("is refused where even parts are not enough, before anything is sent", async () => {
    const error = await failure(upload(contentOf(10_001)))
    assert.propertyVal(error, "status", 502)
    assert.include(String(error), "alpha takes files of at most 10000 bytes")
    assert.lengthOf(routesOf("alpha"), 0)
  })

  it("arrives whole though a part has to be sent again", async () => {
    const content = contentOf(2_000)
    host.emulator.fault({ account: "alpha", route: "uploads.parts.create", times: 1, kind: { status: 500 } })
    host.emulator.fault({ account: "alpha", route: "uploads.create", times: 1, kind: { acceptThenCut: true } })
    await upload(content)
    assert.deepStrictEqual(copies(), [copyOf(content)])
  })

  it("leaves nothing when a part cannot be sent", async () => {
    host.emulator.fault({ account: "alpha", route: "uploads.parts.create", kind: { status: 400 } })
    const error = await failure(upload(contentOf(2_000)))
    assert.propertyVal(error, "status", 502)
    assert.include(String(error), "alpha")
    await host.emulator.waitFor(({ done, route }) => route === "uploads.cancel" && done)
    assert.deepStrictEqual(copies(), [])
  })

  it("has one copy in the end when its completion is not answered", async () => {
    const content = contentOf(2_000)
    host.emulator.fault({ account: "alpha", route: "uploads.complete", times: 1, kind: { acceptThenCut: true } })
    await failure(upload(content))
    await host.storage.until(() => host.storage.contents().length === 0)
    assert.deepStrictEqual(copies(), [])
    await upload(content)
    assert.deepStrictEqual(copies(), [copyOf(content)])
  })

  it("is cancelled at the provider when the client leaves", async () => {
    host.emulator.fault({ account: "alpha", route: "uploads.parts.create", kind: { hang: true } })
    const client = new AbortController()
    const answer = upload(contentOf(2_000), { signal: client.signal })
    await host.emulator.waitFor(({ fault }) => fault === "hang")
    client.abort()
    await failure(answer)
    await host.emulator.waitFor(({ done, route }) => route === "uploads.cancel" && done)
  })
})
