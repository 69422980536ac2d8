import { assert, describe, it } from "@effect/vitest"
import { Account } from "@omnifile/core/Account"
import * as Installation from "@omnifile/testkit/host/Installation"
import * as WatchedStorage from "@omnifile/testkit/host/WatchedStorage"
import * as Redacted from "effect/Redacted"
import { readFile } from "node:fs/promises"
import * as Open from "../src/Open.ts"

/** 0 if the series is not there. */
const valueOf = (lines: ReadonlyArray<string>, series: string): number =>
  Number(lines.find((line) => line.startsWith(`${series} `))?.slice(series.length + 1) ?? 0)

describe("/metrics", () => {
  it("tells admins what has been used since the start", async () => {
    const emulator = await Installation.startEmulator()
    const base = Installation.make(emulator, WatchedStorage.make())
    // Metrics are the process's: a user of its own keeps them apart from those of other tests.
    const keys = [
      { key: Redacted.make("sk-mona"), role: "user" as const, user: "mona", team: "red", models: ["*"] },
      { key: Redacted.make("sk-root"), role: "admin" as const, user: null, team: null, models: ["*"] }
    ]
    const accounts = base.configuration.accounts.map((account) =>
      account.id === "beta" ? new Account({ ...account, apiKey: Redacted.make("sk-of-nobody") }) : account
    )
    const gateway = await Open.open({ ...base, configuration: { ...base.configuration, accounts, keys } })
    const get = (key: string) =>
      gateway.web(new Request("http://test/metrics", { headers: { authorization: `Bearer ${key}` } }))
    const before = (await (await get("sk-root")).text()).split("\n")
    const model = Installation.modelOf("alpha")
    let reported = 0
    for (let index = 0; index < 2; index++) {
      const answer = await gateway.web(
        new Request("http://test/v1/chat/completions", {
          method: "POST",
          headers: { authorization: "Bearer sk-mona", "content-type": "application/json" },
          body: JSON.stringify({ model, messages: [{ role: "user", content: "how much is this?" }] })
        })
      )
      const { usage } = (await answer.json()) as { readonly usage: { readonly prompt_tokens: number } }
      reported += usage.prompt_tokens
    }
    const headers = { authorization: "Bearer sk-mona" }
    const refused = await gateway.web(
      new Request("http://test/v1/chat/completions", {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body: JSON.stringify({ model: Installation.modelOf("beta"), messages: [{ role: "user", content: "hello" }] })
      })
    )
    assert.strictEqual(refused.status, 502)
    const form = new FormData()
    form.set("purpose", "user_data")
    form.set("file", new File(["looked at twice"], "notes.txt"))
    form.set("target_model_names", model)
    const made = await gateway.web(new Request("http://test/v1/files", { method: "POST", headers, body: form }))
    const { id } = (await made.json()) as { readonly id: string }
    for (let look = 0; look < 2; look++) await gateway.web(new Request(`http://test/v1/files/${id}`, { headers }))
    await (await gateway.web(new Request(`http://test/v1/files/${id}/content`, { headers }))).text()
    // An instance that has not seen the file.
    const other = await Open.open({ ...base, configuration: { ...base.configuration, keys } })
    await other.web(new Request(`http://test/v1/files/${id}`, { headers }))
    await other.close()
    const answer = await get("sk-root")
    assert.strictEqual(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8")
    const answerText = await answer.text()
    const lines = answerText.split("\n")
    const labels = `model="${model}",account="alpha",user="mona",team="red"`
    assert.include(lines, `omnifile_calls_total{${labels}} 2`)
    assert.include(lines, `omnifile_tokens_total{${labels},kind="input"} ${reported}`)
    assert.include(lines, "# TYPE omnifile_tokens_total counter")
    // Counts are those of the process, in which other tests may have run before.
    const grown = (series: string): number => valueOf(lines, series) - valueOf(before, series)
    const chat = 'method="POST",route="/v1/chat/completions"'
    assert.strictEqual(grown(`omnifile_http_requests_total{${chat},status="200"}`), 2)
    assert.strictEqual(grown(`omnifile_http_request_duration_seconds_count{${chat}}`), 3)
    assert.isAtLeast(grown('omnifile_file_cache_total{result="miss"}'), 1)
    assert.isAtLeast(grown('omnifile_file_cache_total{result="hit"}'), 1)
    assert.strictEqual(grown('omnifile_provider_errors_total{account="beta",reason="unauthorized"}'), 1)
    assert.include(lines, 'omnifile_dependency_up{dependency="registry"} 1')
    assert.include(lines, 'omnifile_dependency_up{dependency="content"} 1')
    assert.include(lines, 'omnifile_replicas{state="ready"} 1')
    assert.include(lines, 'omnifile_replicas{state="failed"} 0')
    for (const queue of ["files", "jobs", "uploads", "webhooks"]) {
      assert.match(answerText, new RegExp(`^omnifile_queue_depth{queue="${queue}"} \\d+$`, "m"))
    }
    const content = "looked at twice".length
    for (const direction of ["received", "copied", "sent"]) {
      assert.strictEqual(grown(`omnifile_content_bytes_total{direction="${direction}"}`), content, direction)
    }

    const dashboard = await readFile(new URL("../../../docs/grafana/omnifile.json", import.meta.url), "utf8")
    const named = new Set(dashboard.match(/\bomnifile_[a-z_]+/g))
    assert.isAtLeast(named.size, 10)
    for (const name of named) assert.match(answerText, new RegExp(`^${name}({.*})? `, "m"))
    assert.strictEqual((await get("sk-mona")).status, 403)
    assert.strictEqual((await get("sk-nobody")).status, 401)
    await gateway.close()
    await emulator.close()
  })
})
