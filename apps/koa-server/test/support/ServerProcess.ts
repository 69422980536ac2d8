/** The servers as whole processes: started with a command line, watched from outside, ended or killed. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { eventually } from "./eventually.ts"

/** As they are shipped, which starts three times as fast. A build that may be old is not what a single test is for. */
const program = process.env["BUILT_SERVERS"] === "true" ? "dist/main.mjs" : "src/main.ts"

export const apps = {
  "koa-server": fileURLToPath(new URL(`../../${program}`, import.meta.url)),
  standalone: fileURLToPath(new URL(`../../../standalone/${program}`, import.meta.url))
} as const

export type App = keyof typeof apps

/** Compiling is half of a start. */
const compileCache = join(tmpdir(), "node-compile-cache")

export interface Command {
  /** Default: the reference server. */
  readonly app?: App | undefined
  readonly args?: ReadonlyArray<string> | undefined
  /** The process has these, a PATH, and nothing else of this process's environment. */
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly directory: string
  /** How many seconds it may take until it is ready. Default 30. */
  readonly patience?: number | undefined
  /** Writing more than so many bytes into a file fails, as on a disk that is full. */
  readonly fileSizeLimit?: number | undefined
}

interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface LaunchedProcess {
  readonly pid: number
  /** All of it so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  /** When the process is gone and its output is complete. */
  readonly exited: Promise<Exit>
  readonly send: (signal: NodeJS.Signals) => void
}

export type LogEntry = Readonly<Record<string, unknown>>

export interface ServerProcess extends LaunchedProcess {
  /** Such as `http://127.0.0.1:40123`. */
  readonly url: string
  /** The structured log entries so far. */
  readonly logs: () => ReadonlyArray<LogEntry>
  /** SIGTERM, and the end. */
  readonly stop: () => Promise<Exit>
  /** SIGKILL, and the end. Does no harm to a process that is gone. */
  readonly kill: () => Promise<Exit>
}

/** Starts a process and waits for nothing. */
export const launch = (command: Command): LaunchedProcess => {
  const { app = "koa-server", args = [], directory, env = {}, fileSizeLimit } = command
  const line = [process.execPath, apps[app], ...args]
  // The shell counts in blocks of 512 bytes, and becomes the process itself.
  const limit = fileSizeLimit === undefined ? "" : `ulimit -f ${Math.floor(fileSizeLimit / 512)}; `
  const child = spawn("sh", ["-c", `${limit}exec "$@"`, "sh", ...line], {
    cwd: directory,
    env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: compileCache, ...env },
    stdio: ["ignore", "pipe", "pipe"]
  })
  const output = { stdout: "", stderr: "" }
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text
    })
  }
  const exited = once(child, "close").then(([code, signal]) => ({ code, signal }) as Exit)
  return {
    pid: child.pid ?? 0,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    exited,
    send: (signal) => void child.kill(signal)
  }
}

const parseLine = (line: string): ReadonlyArray<LogEntry> => {
  try {
    const entry: unknown = line.startsWith("{") ? JSON.parse(line) : undefined
    return typeof entry === "object" && entry !== null ? [entry as LogEntry] : []
  } catch {
    // The last line may have been cut off with the process.
    return []
  }
}

const isReady = async (url: string): Promise<boolean> => {
  try {
    return (await fetch(`${url}/health/ready`)).status === 200
  } catch {
    return false
  }
}

/** Starts a server and waits until it says that it is ready. Rejects with what it has said when it ends before. */
export const start = async (command: Command): Promise<ServerProcess> => {
  const running = launch(command)
  const { exited, send, stderr, stdout } = running
  let ended = false
  void exited.then(() => {
    ended = true
  })
  const failed = (): Error => new Error(`the server did not start:\n${stdout()}\n${stderr()}`)
  const end = (signal: NodeJS.Signals) => (): Promise<Exit> => {
    if (!ended) send(signal)
    return exited
  }
  try {
    const url = await eventually(
      async () => {
        if (ended) throw failed()
        const found = /listens on (http:\/\/[^\s,]+)/.exec(stdout())?.[1]
        return found !== undefined && (await isReady(found)) && found
      },
      { what: "the server is ready", seconds: command.patience ?? 30 }
    )
    return {
      ...running,
      url,
      logs: () => stdout().split("\n").flatMap(parseLine),
      stop: end("SIGTERM"),
      kill: end("SIGKILL")
    }
  } catch (cause) {
    await end("SIGKILL")()
    throw cause
  }
}
