/** What an operator sees: command line, environment, messages, files on the disk, signals. */
import { createServer } from "node:http"
import { execFile } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it, type TestContext } from "vitest"
import { ask, contentOf, idsOf, messagesOf, upload } from "./support/calls.ts"
import { eventually } from "./support/eventually.ts"
import * as Installation from "./support/Installation.ts"
import * as ServerProcess from "./support/ServerProcess.ts"

const emptyDirectory = ({ onTestFinished }: Pick<TestContext, "onTestFinished">): string => {
  const directory = mkdtempSync(join(tmpdir(), "omnifile-operation-"))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A port that was free a moment ago. */
const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return port
}

const apps = Object.keys(ServerProcess.apps) as ReadonlyArray<ServerProcess.App>

const substitute = fileURLToPath(new URL("support/curl.ts", import.meta.url))

const curlIfNeeded = `command -v curl > /dev/null || curl() { '${process.execPath}' '${substitute}' "$@"; }`

describe.concurrent("without any configuration", { timeout: 60_000 }, () => {
  for (const app of apps) {
    it(`${app} is a trial, whose commands work as they are printed`, async (context) => {
      const directory = emptyDirectory(context)
      writeFileSync(join(directory, "README.md"), "What a trial is about.\n")
      const server = await ServerProcess.start({ app, directory, env: { PORT: "0" } })
      context.onTestFinished(async () => void (await server.kill()))
      assert.match(server.stdout(), /EMULATED/)
      const commands = server
        .stdout()
        .split("\n")
        .filter((line) => line.includes("curl "))
      assert.lengthOf(commands, 3)
      const script = [curlIfNeeded, ...commands].join("\n")
      const { stdout } = await promisify(execFile)("bash", ["-c", script], { cwd: directory })
      const [id = "", ...answers] = stdout.replaceAll("}{", "}\n{").trim().split("\n")
      assert.match(id, /^file-/)
      assert.lengthOf(answers, 2)
      for (const [index, name] of ["emulated-alpha", "emulated-beta"].entries()) {
        const answer = JSON.parse(answers[index] ?? "") as {
          readonly choices: ReadonlyArray<{ message: { content: string } }>
        }
        assert.include(answer.choices[0]?.message.content, `Answer from ${name}`)
        assert.include(answer.choices[0]?.message.content, "README.md, 23 bytes")
      }
      assert.deepStrictEqual(await server.stop(), { code: 0, signal: null })
    })
  }

  it("stops when the environment is wrong", async (context) => {
    const directory = emptyDirectory(context)
    for (const env of [{ PORT: "many" }, { PORT: "many", OPENAI_API_KEY: "sk-provider-1" }] as const) {
      const server = ServerProcess.launch({ directory, env })
      context.onTestFinished(() => server.send("SIGKILL"))
      assert.deepStrictEqual(await server.exited, { code: 1, signal: null })
      assert.include(server.stderr(), "PORT")
    }
  })

  it("takes the account from a provider's key in the environment", async (context) => {
    const directory = emptyDirectory(context)
    const env = {
      PORT: "0",
      OPENAI_API_KEY: "sk-provider-from-environment",
      OMNIFILE_API_KEY: "sk-client-from-environment"
    }
    const server = await ServerProcess.start({ directory, env })
    context.onTestFinished(async () => void (await server.kill()))
    const answer = await fetch(`${server.url}/v1/models`, {
      headers: { authorization: `Bearer ${env.OMNIFILE_API_KEY}` }
    })
    assert.strictEqual(answer.status, 200)
    assert.notInclude(server.stdout(), env.OPENAI_API_KEY)
    assert.notInclude(server.stdout(), env.OMNIFILE_API_KEY)
  })
})

describe.concurrent("a configuration", { timeout: 60_000 }, () => {
  for (const app of apps) {
    it(`that is wrong stops ${app} with everything that is wrong`, async (context) => {
      const directory = emptyDirectory(context)
      const lines = [
        "accounts:",
        '  - { id: main, provider: opnai, api_key: "${NO_SUCH_VARIABLE}" }',
        "models:",
        "  - { name: m, deployments: [ { account: other, model: x, weigth: 1 } ] }",
        "keys:",
        "  - { key: sk-client-secret-in-a-wrong-file, role: king }",
        "server: { port: 99999 }"
      ]
      writeFileSync(join(directory, "wrong.yaml"), `${lines.join("\n")}\n`)
      const server = ServerProcess.launch({ app, directory, args: ["--config", "wrong.yaml"] })
      assert.deepStrictEqual(await server.exited, { code: 1, signal: null })
      assert.strictEqual(server.stdout(), "")
      const said = server.stderr().trim().split("\n")
      for (const [line, what] of [
        [2, "provider"],
        [2, "NO_SUCH_VARIABLE"],
        [4, "account"],
        [4, "weigth"],
        [6, "role"],
        [7, "port"]
      ] as const) {
        assert.isTrue(
          said.some((text) => text.includes(`wrong.yaml:${line}:`) && text.includes(what)),
          `${what} in ${server.stderr()}`
        )
      }
      assert.lengthOf(said, 6)
      assert.notInclude(server.stderr(), "sk-client-secret")
    })
  }

  it("that is not there stops the server", async (context) => {
    const directory = emptyDirectory(context)
    const server = ServerProcess.launch({ directory, env: { OMNIFILE_CONFIG: "none.yaml" } })
    assert.strictEqual((await server.exited).code, 1)
    assert.include(server.stderr(), "none.yaml")
    assert.notInclude(server.stderr(), "    at ")
  })

  it("is found by its default name, and by --config, which wins over OMNIFILE_CONFIG", async ({ onTestFinished }) => {
    const installation = await Installation.open({ accounts: ["found"] })
    onTestFinished(installation.close)
    const elsewhere = await Installation.open({ accounts: ["elsewhere"] })
    onTestFinished(elsewhere.close)
    const file = join(elsewhere.directory, "omnifile.yaml")
    const modelsOf = async (command: Partial<ServerProcess.Command>): Promise<ReadonlyArray<string>> => {
      const server = await installation.start({ ...command })
      const names = (await installation.client(server).models.list()).data.map(({ id }) => id)
      await server.stop()
      return names
    }
    assert.deepStrictEqual(await modelsOf({ args: [] }), ["found"])
    assert.deepStrictEqual(await modelsOf({ args: ["--config", file], env: { OMNIFILE_CONFIG: "none.yaml" } }), [
      "elsewhere"
    ])
  })

  it("of OMNIFILE_CONFIG yields to PORT and HOST", async ({ onTestFinished }) => {
    const installation = await Installation.open({ settings: { server: { port: 1, host: "192.0.2.1" } } })
    onTestFinished(installation.close)
    const port = await freePort()
    const file = join(installation.directory, "omnifile.yaml")
    const environment = { OMNIFILE_CONFIG: file, PORT: String(port), HOST: "localhost" }
    const directory = emptyDirectory({ onTestFinished })
    const server = await installation.start({ directory, args: [], env: environment })
    assert.strictEqual(new URL(server.url).port, String(port))
    assert.strictEqual((await fetch(`http://localhost:${port}/health/live`)).status, 200)
    const second = ServerProcess.launch({ directory, env: environment })
    assert.strictEqual((await second.exited).code, 1)
    assert.match(second.stderr(), /EADDRINUSE/)
  })
})

describe.concurrent("the data directory", { timeout: 60_000 }, () => {
  it("keeps files and their IDs over restarts, also of the other server", async ({ onTestFinished }) => {
    const installation = await Installation.open()
    onTestFinished(installation.close)
    const first = await installation.start()
    const content = Buffer.from("kept over restarts")
    const file = await upload(installation.client(first), content, { name: "kept.txt", models: "alpha,beta" })
    assert.strictEqual(statSync(join(installation.data, "secret")).mode & 0o777, 0o600)
    assert.deepStrictEqual(await first.stop(), { code: 0, signal: null })
    for (const app of apps) {
      const server = await installation.start({ app })
      const client = installation.client(server)
      const start = installation.emulator.journal.length
      assert.deepStrictEqual(await client.files.retrieve(file.id), file)
      assert.deepStrictEqual(await idsOf(client.files.list()), [file.id])
      assert.isTrue((await contentOf(client, file.id)).equals(content))
      assert.include(await ask(client, "beta", file.id), "kept.txt")
      assert.deepStrictEqual(
        installation.emulator.journal.slice(start).map(({ route }) => route),
        ["chat"]
      )
      assert.deepStrictEqual(await server.stop(), { code: 0, signal: null })
    }
  })

  it("is for its owner only, and neither it nor the log holds a key, whatever went wrong", async ({
    onTestFinished
  }) => {
    const secret = "an installation's secret, 7f3c9a"
    const installation = await Installation.open({
      account: () => ({ headers: { "x-gateway-token": "gateway-token-1f3870be" }, exclusive: true }),
      settings: { secret, server: { port: 0, log: { level: "trace", format: "json" } } }
    })
    onTestFinished(installation.close)
    const { emulator } = installation
    const server = await installation.start()
    const client = installation.client(server)
    const file = await upload(client, "kept", { models: "alpha,beta", idempotencyKey: "an-idempotency-key" })
    await ask(client, "gamma", file.id)
    for (const kind of [
      { status: 401 },
      { status: 400, body: `you sent ${Installation.providerKey("alpha")} to ${emulator.baseUrl}` },
      {
        status: 500,
        body: { error: { message: Installation.providerKey("alpha"), type: "x", param: null, code: null } }
      },
      { acceptThenCut: true },
      { cutAfterBytes: 0 }
    ] as const) {
      for (const route of ["files.create", "files.delete", "chat", "files.content"] as const) {
        emulator.fault({ account: "alpha", route, times: 1, kind })
      }
      await upload(client, "refused", { models: "alpha,beta" }).catch(() => {})
      await ask(client, "alpha", file.id).catch(() => {})
      const other = await upload(client, "deleted", { models: "alpha" }).catch(() => undefined)
      if (other !== undefined) await client.files.delete(other.id)
      emulator.clearFaults()
    }
    for (const key of ["sk-wrong-key-6b86b273", installation.keys["bob"]?.key]) {
      const headers = { authorization: `Bearer ${key}` }
      await fetch(`${server.url}/v1/files?api_key=${installation.keys["alice"]?.key}`, { headers })
    }
    const secrets = [
      ...installation.accounts.map(Installation.providerKey),
      ...Object.values(installation.keys).map(({ key }) => key),
      "gateway-token-1f3870be",
      "sk-wrong-key-6b86b273",
      secret
    ]
    const places = () => [
      ...Installation.filesIn(installation.data),
      { path: "stdout", content: Buffer.from(server.stdout()) },
      { path: "stderr", content: Buffer.from(server.stderr()) }
    ]
    const look = (): void => {
      for (const { content, path } of places()) {
        for (const each of secrets) {
          const forms = [
            each,
            encodeURIComponent(each),
            Buffer.from(each).toString("base64"),
            Buffer.from(each).toString("hex")
          ]
          for (const form of forms) assert.isFalse(content.includes(form), `${each} is in ${path}`)
        }
      }
    }
    look()
    assert.isAbove(server.logs().length, 10)
    assert.strictEqual(statSync(installation.data).mode & 0o777, 0o700)
    for (const { path } of Installation.filesIn(installation.data)) {
      assert.strictEqual(statSync(join(installation.data, path)).mode & 0o777, 0o600, path)
    }
    assert.strictEqual((await server.stop()).code, 0)
    look()
  })
})

describe.concurrent("SIGTERM", { timeout: 60_000 }, () => {
  for (const app of apps) {
    it(`lets a stream and an upload of ${app} end, and takes nothing new`, async ({ onTestFinished }) => {
      const installation = await Installation.open({ stream: { events: 60, intervalMs: 10 } })
      onTestFinished(installation.close)
      const server = await installation.start({ app })
      const client = installation.client(server)
      installation.emulator.setLatency("beta", 300)
      const uploading = upload(client, "in the last minute", { models: "beta" })
      await installation.emulator.waitFor(
        ({ account, upload: received }) => account === "beta" && received !== undefined
      )
      const stream = await client.chat.completions.create({ model: "alpha", messages: messagesOf(), stream: true })
      let finish: string | null | undefined
      let events = 0
      for await (const { choices } of stream) {
        if (events++ === 0) server.send("SIGTERM")
        finish = choices[0]?.finish_reason
      }
      assert.strictEqual(finish, "stop")
      assert.isAtLeast(events, 60)
      assert.match((await uploading).id, /^file-/)
      const refused = async (): Promise<boolean> =>
        fetch(`${server.url}/health/live`).then(
          () => false,
          () => true
        )
      await eventually(refused, { what: "no connection is taken" })
      assert.deepStrictEqual(await server.exited, { code: 0, signal: null })
    })
  }

  it("waits no longer than it is told, and a second one not at all", async ({ onTestFinished }) => {
    for (const [signals, code] of [
      [1, 0],
      [2, 130]
    ] as const) {
      const installation = await Installation.open({
        settings: { server: { port: 0, shutdown_timeout: signals === 1 ? "300ms" : "60s" } }
      })
      onTestFinished(installation.close)
      installation.emulator.fault({ route: "chat", kind: { hang: true } })
      const server = await installation.start()
      const answer = ask(installation.client(server), "alpha").catch(() => "cut off")
      await installation.emulator.waitFor(({ route }) => route === "chat")
      server.send("SIGTERM")
      if (signals === 2) {
        await eventually(
          () =>
            fetch(`${server.url}/health/live`).then(
              () => false,
              () => true
            ),
          { what: "the server is stopping" }
        )
        server.send("SIGTERM")
      }
      assert.deepStrictEqual(await server.exited, { code, signal: null })
      assert.strictEqual(await answer, "cut off")
    }
  })
})

describe("--help", { timeout: 60_000 }, () => {
  it("says how the server is started", async (context) => {
    const directory = emptyDirectory(context)
    const server = ServerProcess.launch({ directory, args: ["--help"] })
    assert.deepStrictEqual(await server.exited, { code: 0, signal: null })
    assert.include(server.stdout(), "--config FILE")
  })
})
