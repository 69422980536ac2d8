import { Account } from "@omnifile/core/Account"
import * as Installation from "@omnifile/testkit/host/Installation"
import * as WatchedStorage from "@omnifile/testkit/host/WatchedStorage"
import { assert, describe, it } from "vitest"
import * as Open from "../src/Open.ts"
import * as otlp from "./support/otlp.ts"

const traceId = "0af7651916cd43dd8448eb211c80319c"
const clientSpan = "b7ad6b7169203331"
const traceparent = `00-${traceId}-${clientSpan}-01`

/** One upload to two accounts and one chat, traced as the environment says; then the end of the gateway. */
const record = async (env: Readonly<Record<string, string>>) => {
  const emulator = await Installation.startEmulator()
  const base = Installation.make(emulator, WatchedStorage.make())
  const accounts = base.configuration.accounts.map(
    (account) => new Account({ ...account, headers: { "x-of-the-account": "hidden" } })
  )
  const gateway = await Open.open({ ...base, configuration: { ...base.configuration, accounts }, env })
  const authorization = `Bearer ${Installation.key}`
  const form = new FormData()
  form.set("purpose", "user_data")
  form.set("file", new File(["in two places"], "notes.txt"))
  form.set("target_model_names", `${Installation.modelOf("alpha")},${Installation.modelOf("beta")}`)
  const made = await gateway.web(
    new Request("http://test/v1/files", { method: "POST", headers: { authorization, traceparent }, body: form })
  )
  assert.strictEqual(made.status, 200)
  const answer = await gateway.web(
    new Request("http://test/v1/chat/completions", {
      method: "POST",
      headers: { authorization, "content-type": "application/json", traceparent },
      body: JSON.stringify({ model: Installation.modelOf("alpha"), messages: [{ role: "user", content: "hello" }] })
    })
  )
  assert.strictEqual(answer.status, 200)
  await answer.text()
  const { id } = (await made.json()) as { readonly id: string }
  // Keys come in headers of several names.
  for (const header of ["x-api-key", "api-key"]) {
    const known = await gateway.web(
      new Request(`http://test/v1/files/${id}`, { headers: { [header]: Installation.key, traceparent } })
    )
    assert.strictEqual(known.status, 200)
  }
  await gateway.close()
  await emulator.close()
  return emulator.journal
}

describe("traces", () => {
  for (const protocol of ["http/json", "http/protobuf"]) {
    it(`go from the client's span to each provider's, by ${protocol}`, async () => {
      const receiver = await otlp.start()
      const journal = await record({
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
        OTEL_SERVICE_NAME: "gateway-1"
      })
      await receiver.close()
      const mine = receiver.spans.filter((span) => span.traceId === traceId)
      const byId = new Map(mine.map((span) => [span.spanId, span]))
      for (const span of mine) {
        assert.strictEqual(span.service, "gateway-1")
        assert.match(span.spanId, /^[0-9a-f]{16}$/)
        assert.isTrue(span.end >= span.start && span.start > 1_600_000_000_000_000_000n)
      }
      const servers = mine.filter(({ kind }) => kind === 2)
      assert.deepStrictEqual(servers.map(({ name }) => name).sort(), [
        "GET /v1/files/{id}",
        "GET /v1/files/{id}",
        "POST /v1/chat/completions",
        "POST /v1/files"
      ])
      for (const { attributes } of servers) assert.match(attributes["http.response.header.x-request-id"] ?? "", /^req_/)
      for (const { parentSpanId } of servers) assert.strictEqual(parentSpanId, clientSpan)

      /** The span of the request that this one is below. */
      const rootOf = (span: otlp.ReceivedSpan): otlp.ReceivedSpan => {
        const parent = byId.get(span.parentSpanId)
        return parent === undefined ? span : rootOf(parent)
      }
      const copies = mine.filter(({ name }) => name === "provider files.create")
      assert.sameMembers(
        copies.map(({ attributes }) => attributes["omnifile.account"]),
        ["alpha", "beta"]
      )
      for (const copy of copies) {
        assert.strictEqual(copy.kind, 3)
        assert.strictEqual(rootOf(copy).kind, 2)
        assert.strictEqual(rootOf(copy).parentSpanId, clientSpan)
      }
      assert.strictEqual(new Set(copies.map((copy) => rootOf(copy).spanId)).size, 1)

      // Each provider is told of the very span that its call is.
      for (const entry of journal.filter(({ route }) => route === "files.create" || route === "chat")) {
        const [, trace, span] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(entry.headers["traceparent"] ?? "") ?? []
        assert.strictEqual(trace, traceId)
        assert.strictEqual(byId.get(span ?? "")?.attributes["omnifile.account"], entry.account)
      }
      const told = receiver.bodies.join("\n")
      for (const secret of ["sk-alpha", "sk-beta", Installation.key, "hidden"]) assert.notInclude(told, secret)
    })
  }

  it("are not made, and providers told of none, where nobody asked for them", async () => {
    const receiver = await otlp.start()
    const journal = [
      ...(await record({})),
      ...(await record({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_SDK_DISABLED: "true" }))
    ]
    await receiver.close()
    assert.isNotEmpty(journal)
    for (const { headers } of journal) assert.notProperty(headers, "traceparent")
    assert.isEmpty(receiver.bodies)
  })
})
