/** A real Redis server for tests: empty, on a free port of this machine, and gone with the tests. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as RedisBinary from "./RedisBinary.ts"

export interface RedisServer {
  /** `redis://127.0.0.1:PORT`: the same after a restart. */
  readonly url: string
  /** Ends it as a crash does. */
  readonly kill: () => Promise<void>
  /** Starts it again, with the records that it had. */
  readonly restart: () => Promise<void>
  /** Ends it, and removes what it has written. */
  readonly stop: () => Promise<void>
}

/** When this process is gone the shell's input ends, and with it the server. */
const underSupervision = '"$@" & server=$!; cat > /dev/null; kill -9 $server; { wait $server; } 2> /dev/null'

const freePort = async (): Promise<number> => {
  const probe = createServer().listen(0, "127.0.0.1")
  await once(probe, "listening")
  const address = probe.address()
  probe.close()
  await once(probe, "close")
  if (address === null || typeof address === "string") throw new TypeError("A TCP server has a port")
  return address.port
}

const launch = async ({ env, path }: RedisBinary.RedisBinary, port: number, directory: string) => {
  const settings = [
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    "--dir",
    directory,
    "--appendonly",
    "yes",
    // Written before each answer, though not synced: a kill loses nothing. By default a busy disk puts that off.
    "--appendfsync",
    "no",
    "--save",
    ""
  ]
  const shell = spawn("sh", ["-c", underSupervision, "sh", path, ...settings], {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "inherit"]
  })
  const end = async () => {
    if (shell.exitCode !== null || shell.signalCode !== null) return
    const ended = once(shell, "exit")
    shell.stdin.end()
    await ended
  }
  let log = ""
  const ready = new Promise<void>((done, failed) => {
    const tooLate = setTimeout(() => failed(new Error(`Redis did not start:\n${log}`)), 10_000)
    shell.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (log.includes("Ready to accept connections")) return
      log += text
      if (!log.includes("Ready to accept connections")) return
      clearTimeout(tooLate)
      done()
    })
  })
  await ready.catch(async (cause: unknown) => {
    await end()
    throw cause
  })
  return end
}

/** Rejects with the reason if this machine has no Redis server and gets none. */
export const start = async (): Promise<RedisServer> => {
  const binary = await RedisBinary.find()
  const directory = mkdtempSync(join(tmpdir(), "omnifile-redis-"))
  const port = await freePort()
  let end = await launch(binary, port, directory)
  return {
    url: `redis://127.0.0.1:${port}`,
    kill: () => end(),
    restart: async () => {
      await end()
      end = await launch(binary, port, directory)
    },
    stop: async () => {
      await end()
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

/**
 * The same for suites that are left out where there is no server: then null, after saying so on standard error. With
 * `REQUIRE_SERVERS=true`, as in continuous integration, nothing is left out: it rejects.
 */
export const startOrReport = async (suites: string): Promise<RedisServer | null> => {
  try {
    return await start()
  } catch (cause) {
    if (process.env["REQUIRE_SERVERS"] === "true") throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    process.stderr.write(`\nNOT RUN: ${suites}. There is no Redis server here, and none could be had: ${reason}\n\n`)
    return null
  }
}
