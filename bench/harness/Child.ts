/** The side of the benchmark: child processes that are pinned to a core, asked over IPC, and ended. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import type { Commands, CommonCommands, Message, Question } from "./Control.ts"

const runsOn = (core: number): boolean => spawnSync("taskset", ["-c", String(core), "true"]).status === 0

/** Whether servers have a core for themselves. */
export const isPinned = availableParallelism() >= 2 && runsOn(0) && runsOn(1)

export const serverCore = 0
export const loadCore = 1

/** A command line that runs on one core, where that can be had. */
export const pinned = (core: number, command: ReadonlyArray<string>): ReadonlyArray<string> =>
  isPinned ? ["taskset", "-c", String(core), ...command] : command

/** Everything that was started and has not ended, so that nothing outlives the benchmark. */
const running = new Set<ChildProcess>()
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL")
})

export const track = (child: ChildProcess): ChildProcess => {
  running.add(child)
  child.once("exit", () => running.delete(child))
  return child
}

export interface StartOptions {
  /** The module to run, relative to this package, such as `references/passthrough.ts`. */
  readonly module: string
  /** What `Control.readOptions` gives in the child. */
  readonly options: unknown
  readonly core: number
}

export class Child<C extends Commands<C> = Record<never, never>> {
  readonly port: number
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, (message: Message) => void>()
  #questions = 0

  private constructor(child: ChildProcess, port: number) {
    this.#process = child
    this.port = port
    child.on("message", (message: Message) => {
      if (message._tag !== "Ready") this.#waiting.get(message.id)?.(message)
    })
    child.once("exit", (code, signal) => {
      const message = `the process ended with ${signal ?? code}`
      for (const [id, settle] of this.#waiting) settle({ _tag: "Failure", id, message })
    })
  }

  /** Runs a module of this package, and resolves when it has attached itself. */
  static async start<C extends Commands<C> = Record<never, never>>(options: StartOptions): Promise<Child<C>> {
    const file = fileURLToPath(new URL(`../${options.module}`, import.meta.url))
    const [command = "", ...args] = pinned(options.core, [process.execPath, file, JSON.stringify(options.options)])
    const child = track(
      spawn(command, args, { stdio: ["ignore", "ignore", "inherit", "ipc"], serialization: "advanced" })
    )
    const ended = once(child, "exit").then(([code]) => {
      throw new Error(`${options.module} ended with ${String(code)} before it was ready`)
    })
    // The process ends in any case, and by then nobody looks any more.
    ended.catch(() => {})
    const [message] = (await Promise.race([once(child, "message"), ended])) as [Message]
    return new Child<C>(child, message._tag === "Ready" ? message.port : 0)
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  ask<K extends keyof (C & CommonCommands) & string>(
    command: K,
    argument: Parameters<(C & CommonCommands)[K]>[0]
  ): Promise<Awaited<ReturnType<(C & CommonCommands)[K]>>> {
    const id = ++this.#questions
    const question: Question = { id, command, argument }
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (message) => {
        this.#waiting.delete(id)
        if (message._tag === "Answer") resolve(message.value as Awaited<ReturnType<(C & CommonCommands)[K]>>)
        if (message._tag === "Failure") reject(new Error(`${command}: ${message.message}`))
      })
      this.#process.send(question)
    })
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, "exit")
    this.#process.kill("SIGKILL")
    await ended
  }
}
