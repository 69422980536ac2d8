import * as Installation from "@omnifile/testkit/host/Installation"
import * as WatchedStorage from "@omnifile/testkit/host/WatchedStorage"
import { assert, describe, it, vi } from "vitest"
import * as Open from "../src/Open.ts"

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"

describe("the log of requests", () => {
  it("names the request and the trace that it belongs to", async () => {
    const emulator = await Installation.startEmulator()
    const base = Installation.make(emulator, WatchedStorage.make())
    const log = { format: "json", level: "Info" } as const
    const configuration = { ...base.configuration, server: { ...base.configuration.server, log } }
    const lines: Array<string> = []
    const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      lines.push(...String(text).split("\n"))
      return true
    })
    try {
      const gateway = await Open.open({ ...base, configuration, env: {} })
      const authorization = `Bearer ${Installation.key}`
      for (const traceparent of [`00-${traceId}-00f067aa0ba902b7-01`, 'nonsense"', undefined]) {
        const traced = traceparent === undefined ? {} : { traceparent }
        await gateway.web(new Request("http://test/v1/models", { headers: { authorization, ...traced } }))
      }
      await new Promise((resolve) => setImmediate(resolve))
      await gateway.close()
    } finally {
      write.mockRestore()
    }
    await emulator.close()
    const entries = lines
      .filter((line) => line.includes('"message":"request"'))
      .map((line) => JSON.parse(line) as { readonly requestId: string; readonly traceId?: string })
    assert.deepStrictEqual(
      entries.map((entry) => entry.traceId),
      [traceId, undefined, undefined]
    )
    for (const { requestId } of entries) assert.match(requestId, /^req_/)
  })
})
