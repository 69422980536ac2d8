/** Limits as clients of a host meet them. */
import { assert, describe, it, onTestFinished } from "@effect/vitest"
import { failure, upload } from "@omnifile/testkit/host/checks"
import * as RunningHost from "@omnifile/testkit/host/RunningHost"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import type { Allowance } from "@omnifile/core/Limits"
import * as Open from "../src/Open.ts"

const start = async (limits: Allowance): Promise<RunningHost.RunningHost> => {
  const host = await RunningHost.start({
    build: ({ configuration, ...rest }) => {
      const keys = configuration.keys.map((key) => ({ ...key, limits }))
      return Open.open({ ...rest, configuration: { ...configuration, keys } })
    },
    serve: (gateway) => HostSuite.listen((request, response) => void gateway.node(request, response))
  })
  onTestFinished(() => host.stop())
  return host
}

/** Asserts that a call is refused for a limit, and answers when it may come again, in seconds. */
const limited = async (call: Promise<unknown>): Promise<number> => {
  const error = await failure(call)
  assert.propertyVal(error, "status", 429)
  assert.propertyVal(error, "code", "rate_limit_exceeded")
  const { headers } = error as { readonly headers: Headers }
  return Number(headers.get("retry-after"))
}

describe("a key over its limit", () => {
  it("of requests is told when to come again, whatever it calls, and reaches no provider", async () => {
    const host = await start({ requests: 2 })
    await upload(host, "first")
    await host.openai.models.list()
    const seconds = await limited(host.openai.files.list())
    assert.isAtLeast(seconds, 1)
    assert.isAtMost(seconds, 30)
    await limited(upload(host, "second", { target_model_names: "model-alpha" }))
    assert.lengthOf(host.emulator.files("alpha"), 0)
    assert.lengthOf(host.storage.contents(), 2)
  })

  it("of batch lines has no batch made of more, and may make one of fewer", async () => {
    const host = await start({ batchLines: 3 })
    const line = (index: number): string =>
      JSON.stringify({
        custom_id: `line-${index}`,
        method: "POST",
        url: "/v1/chat/completions",
        body: { model: "model-alpha", messages: [{ role: "user", content: "hello" }] }
      })
    const batchOf = async (lines: number) => {
      const file = await host.openai.files.create({
        file: new File([Array.from({ length: lines }, (_, index) => line(index)).join("\n")], "lines.jsonl"),
        purpose: "batch"
      })
      const body = { input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" } as const
      return host.openai.batches.create(body)
    }
    assert.isAtLeast(await limited(batchOf(4)), 3_600)
    assert.isEmpty(host.emulator.journal)
    await batchOf(2)
    await limited(batchOf(2))
    await batchOf(1)
  })

  it("of bytes or files keeps nothing of what is too much", async () => {
    const host = await start({ uploadBytes: 10, files: 2 })
    await upload(host, "12345678")
    assert.isAtLeast(await limited(upload(host, "123")), 3_600)
    const begun = await host.openai.uploads.create({
      bytes: 4,
      filename: "a.txt",
      mime_type: "text/plain",
      purpose: "user_data"
    })
    await limited(host.openai.uploads.parts.create(begun.id, { data: new File(["1234"], "part") }))
    await limited(upload(host, "1"))
    await host.storage.until(() => host.storage.contents().length === 2)
  })
})
