/** The side of a child process: it says where it listens, and answers what the benchmark asks over IPC. */
import { Session } from "node:inspector/promises"
import { mkdir, writeFile } from "node:fs/promises"
import { dirname } from "node:path"

/** What a child can be asked for, by name: from one argument to one answer. */
export type Commands<C> = { readonly [K in keyof C]: (argument: never) => unknown }

/** What every child can be asked for. */
export type CommonCommands = {
  /** CPU time of the whole process so far, in microseconds. */
  readonly cpu: (nothing: null) => number
  readonly startProfile: (nothing: null) => Promise<void>
  /** Writes what was sampled since `startProfile` as a `.cpuprofile` file. */
  readonly stopProfile: (file: string) => Promise<void>
}

export interface Question {
  readonly id: number
  readonly command: string
  readonly argument: unknown
}

export type Message =
  | { readonly _tag: "Ready"; readonly port: number }
  | { readonly _tag: "Answer"; readonly id: number; readonly value: unknown }
  | { readonly _tag: "Failure"; readonly id: number; readonly message: string }

const session = new Session()

/** Microseconds between two samples: fine enough for requests of a hundred, coarse enough not to slow them. */
const samplingInterval = 200

const common: CommonCommands = {
  cpu: () => {
    const { system, user } = process.cpuUsage()
    return system + user
  },
  startProfile: async () => {
    session.connect()
    await session.post("Profiler.enable")
    await session.post("Profiler.setSamplingInterval", { interval: samplingInterval })
    await session.post("Profiler.start")
  },
  stopProfile: async (file) => {
    const { profile } = await session.post("Profiler.stop")
    session.disconnect()
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, JSON.stringify(profile))
  }
}

const tell = (message: Message): void => void process.send?.(message)

/** What the parent has passed to this process. */
export const readOptions = <Options>(): Options => JSON.parse(process.argv[2] ?? "null") as Options

/** Answers the parent from now on. Call it when the server listens; `port` is 0 for a child that is none. */
export const attach = <C extends Commands<C>>(port: number, commands: C): void => {
  const known = new Map<string, (argument: never) => unknown>(Object.entries({ ...common, ...commands }))
  process.on("message", (question: Question) => {
    const answer = async (): Promise<unknown> => {
      const command = known.get(question.command)
      if (command === undefined) throw new TypeError(`Unknown command: ${question.command}`)
      return command(question.argument as never)
    }
    answer().then(
      (value) => tell({ _tag: "Answer", id: question.id, value }),
      (cause: unknown) =>
        tell({
          _tag: "Failure",
          id: question.id,
          message: cause instanceof Error ? String(cause.stack) : String(cause)
        })
    )
  })
  process.on("disconnect", () => process.exit(0))
  tell({ _tag: "Ready", port })
}
