/** The built servers, as `npm start` and the package's command run them. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import { join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { authorization } from "../servers/Installation.ts"
import { pinned, serverCore, track } from "./Child.ts"
import { listen } from "./Loopback.ts"

const root = resolve(import.meta.dirname, "../..")

/** Builds an app, such as `koa-server`, and says where its program is. */
export const build = (app: string): string => {
  const directory = join(root, "apps", app)
  const tsdown = join(root, "node_modules/.bin/tsdown")
  const { status, stderr, stdout } = spawnSync(tsdown, [], { cwd: directory, encoding: "utf8" })
  if (status !== 0) throw new Error(`${directory} cannot be built:\n${stdout}${stderr}`)
  return join(directory, "dist/main.mjs")
}

const freePort = async (): Promise<number> => {
  const server = createServer()
  const port = await listen(server)
  await new Promise((done) => server.close(done))
  return port
}

/** Milliseconds between two attempts to get an answer. */
const patience = 5
const longestStart = 30_000

const firstAnswer = async (port: number, started: number): Promise<number> => {
  for (;;) {
    const elapsed = performance.now() - started
    if (elapsed > longestStart) throw new Error("The server does not answer")
    const status = await fetch(`http://127.0.0.1:${port}/v1/files`, { headers: { authorization } }).then(
      async (response) => {
        await response.arrayBuffer()
        return response.status
      },
      () => null
    )
    if (status === 200) return performance.now() - started
    if (status !== null) throw new Error(`The server answers with status ${status}`)
    await sleep(patience)
  }
}

export interface Program {
  readonly pid: number
  readonly port: number
  /** From the start of the process to the first answer, in seconds. */
  readonly time: number
  /** Resolves when the process has ended. By itself (`SIGTERM`) it takes its time, and writes what it was told to. */
  readonly stop: (signal: "SIGKILL" | "SIGTERM") => Promise<void>
}

/** Runs a program with a configuration file, and resolves with the first answer. */
export const start = async (
  file: string,
  config: string,
  nodeOptions: ReadonlyArray<string> = []
): Promise<Program> => {
  const port = await freePort()
  const [command = "", ...args] = pinned(serverCore, [process.execPath, ...nodeOptions, file, "--config", config])
  const started = performance.now()
  const env = { ...process.env, PORT: String(port) }
  const server: ChildProcess = track(spawn(command, args, { env, stdio: ["ignore", "ignore", "inherit"] }))
  const stop = async (signal: "SIGKILL" | "SIGTERM"): Promise<void> => {
    const ended = once(server, "exit")
    server.kill(signal)
    await ended
  }
  try {
    return { pid: server.pid ?? 0, port, time: (await firstAnswer(port, started)) / 1000, stop }
  } catch (cause) {
    await stop("SIGKILL")
    throw cause
  }
}
