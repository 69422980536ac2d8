import * as Open from "@omnifile/node/Open"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import { modelOf } from "@omnifile/testkit/host/Installation"
import * as RunningHost from "@omnifile/testkit/host/RunningHost"
import express from "express"
import { assert, describe, it } from "vitest"
import { gzipSync } from "node:zlib"
import { omnifile } from "../src/index.ts"

describe("a compressed body", () => {
  it("is taken where a body parser before the gateway has unpacked it", async () => {
    const host = await RunningHost.start({
      build: Open.open,
      serve: (gateway) => HostSuite.listen(express().use(express.json()).use(omnifile(gateway)), "")
    })
    const body = JSON.stringify({ model: modelOf("alpha"), messages: [{ role: "user", content: "hello" }] })
    const answer = await host.call("/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json", "content-encoding": "gzip" },
      body: gzipSync(body)
    })
    assert.strictEqual(answer.statusCode, 200, await answer.body.text())
    await host.stop()
  })
})
