/** A script in a process of its own: to share storage with, and to kill in the middle of something. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

export interface ScriptProcess {
  /** The next line of its output, undefined when there are no more. */
  readonly readLine: () => Promise<string | undefined>
  readonly writeLine: (line: string) => void
  /** Kills it without a chance to tidy up, and waits until it is gone. */
  readonly kill: () => Promise<void>
  /** The exit code; null if it was killed. What it writes to standard error is shown with that of the test. */
  readonly exitCode: Promise<number | null>
}

export const start = (script: URL, ...args: ReadonlyArray<string>): ScriptProcess => {
  const child = spawn(process.execPath, [fileURLToPath(script), ...args], { stdio: ["pipe", "pipe", "inherit"] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const exitCode = once(child, "exit").then(([code]) => code as number | null)
  // A killed process closes its input while something may still be written to it.
  child.stdin.on("error", () => {})
  return {
    readLine: async () => {
      const next = await lines.next()
      return next.done === true ? undefined : next.value
    },
    writeLine: (line) => void child.stdin.write(`${line}\n`),
    kill: async () => {
      child.kill("SIGKILL")
      await exitCode
    },
    exitCode
  }
}
