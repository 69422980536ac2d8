/**
 * A server program, from its command line to its end: what `apps/koa-server` and the standalone server have in
 * common.
 */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import { existsSync } from "node:fs"
import type { RequestListener } from "node:http"
import { resolve } from "node:path"
import * as CommandLine from "./CommandLine.ts"
import * as Configuration from "./config/Configuration.ts"
import type { Gateway } from "./Gateway.ts"
import * as Open from "./Open.ts"
import { builtInProviders } from "./Providers.ts"
import * as Server from "./Server.ts"
import * as Trial from "./Trial.ts"

export interface MainOptions {
  /** What the program is called in messages. */
  readonly name: string
  /** Starts two emulated providers, for a trial without any account. */
  readonly emulate: () => Promise<Trial.EmulatedProviders>
  /** A framework around the gateway; without one the gateway answers alone. */
  readonly listener?: ((gateway: Gateway) => RequestListener) | undefined
}

const defaultFile = "omnifile.yaml"

const providers = builtInProviders.map(({ id }) => id)

interface Source {
  readonly configuration: Configuration.Configuration
  /** What to tell at the start. */
  readonly banner: (url: string) => string
  readonly close: () => Promise<void>
}

const nothing = async (): Promise<void> => {}

const findFile = (flag: string | undefined): string | undefined => {
  const given = flag ?? process.env["OMNIFILE_CONFIG"]
  if (given !== undefined && given !== "") return resolve(given)
  return existsSync(defaultFile) ? resolve(defaultFile) : undefined
}

/** The configuration file, or the environment, or two emulated providers. */
const findSource = (
  flag: string | undefined,
  { emulate, name }: MainOptions
): Effect.Effect<Source, Configuration.ConfigurationError> =>
  Effect.gen(function* () {
    const options = { env: process.env, cwd: process.cwd(), providers }
    const file = findFile(flag)
    if (file !== undefined) {
      const configuration = yield* Configuration.load({ ...options, file })
      return { configuration, banner: (url) => `${name} listens on ${url}, configured by ${file}\n`, close: nothing }
    }
    const found = yield* Trial.fromEnvironment(options)
    if (found !== null) return { ...found, close: nothing }
    const emulated = yield* Effect.promise(emulate)
    // Providers that go on listening would keep the program from ending.
    const trial = yield* Effect.tapError(Trial.fromEmulated(emulated, options), () => Effect.promise(emulated.close))
    return { ...trial, close: emulated.close }
  })

const stopOnSignal = (stop: () => Promise<void>): void => {
  let stopping = false
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      // Whoever asks twice does not want to wait.
      if (stopping) process.exit(130)
      stopping = true
      void stop().then(
        () => process.exit(0),
        (cause: unknown) => {
          process.stderr.write(`The server could not be stopped in order: ${String(cause)}\n`)
          process.exit(1)
        }
      )
    })
  }
}

const fail = (message: string): void => {
  process.stderr.write(`${message}\n`)
  process.exitCode = 1
}

const start = async (options: MainOptions, source: Source): Promise<void> => {
  const { configuration } = source
  const gateway = await Open.open({ configuration })
  const { host, port, shutdownTimeout } = configuration.server
  const server = await Server.serve({
    gateway,
    host,
    port,
    shutdownTimeout,
    listener: options.listener?.(gateway)
  }).catch(async (cause: unknown) => {
    await gateway.close()
    throw cause
  })
  process.stdout.write(source.banner(server.url))
  stopOnSignal(async () => {
    await server.stop()
    await source.close()
  })
}

/** Wrong use of the command line, or something that could not be looked at. */
const couldNot = (message: string): void => {
  process.stderr.write(`${message}\n`)
  process.exitCode = 2
}

/** What a command prints, and how the program ends. */
interface Outcome {
  readonly text: string
  readonly exitCode: 0 | 1 | 2
}

/** Runs a command and prints what it answers; what it fails with is told in one line. */
const print = async (outcome: Effect.Effect<Outcome, { readonly message: string }>): Promise<void> => {
  const exit = await Effect.runPromise(Effect.result(Effect.provide(outcome, Logger.layer([]))))
  if (Result.isFailure(exit)) return couldNot(exit.failure.message)
  process.stdout.write(exit.success.text)
  process.exitCode = exit.success.exitCode
}

type Offline = Exclude<CommandLine.Command, { readonly _tag: "Serve" | "Help" }>

/** Each is loaded when it is asked for, so that a server starts without it. */
const perform = async (command: Offline, { configuration }: Source): Promise<void> => {
  switch (command._tag) {
    case "Doctor": {
      const { examine } = await import("./DoctorCommand.ts")
      return print(examine(command, configuration, builtInProviders))
    }
    case "ImportLitellm": {
      const { run, toText } = await import("./litellm/ImportCommand.ts")
      const outcome = Effect.map(run(command, configuration, builtInProviders, process.env), (report): Outcome => ({
        text: toText(report, command),
        exitCode: 0
      }))
      return print(outcome)
    }
    case "Erase": {
      const { erase } = await import("./EraseCommand.ts")
      return print(erase(command, configuration))
    }
  }
}

/** Whoever has only LiteLLM's configuration at hand gives it as `--config`; ours is then looked for as usual. */
const withConfigsApart = async (command: CommandLine.Command): Promise<CommandLine.Command> => {
  if (command._tag !== "ImportLitellm" || command.config === undefined || command.litellmConfig !== undefined) {
    return command
  }
  const { isLitellm, readYaml } = await import("./litellm/LitellmModels.ts")
  const value = await Effect.runPromise(Effect.result(readYaml(command.config)))
  return Result.isSuccess(value) && isLitellm(value.success)
    ? { ...command, config: undefined, litellmConfig: command.config }
    : command
}

/** Emulated providers are for a server: what works on rows works on those of a configuration. */
const needsConfiguration = (command: Offline): boolean => command._tag !== "Doctor"

/**
 * Runs the program. What is wrong with the configuration goes to standard error, all of it, with exit code 1; what is
 * wrong with the command line in one line, with exit code 2.
 */
export const main = async (options: MainOptions): Promise<void> => {
  const parsed = CommandLine.parse(process.argv.slice(2), process.env)
  if (Result.isFailure(parsed))
    return couldNot(`${options.name}: ${parsed.failure} (${options.name} --help tells more)`)
  const command = await withConfigsApart(parsed.success)
  if (command._tag === "Help") return void process.stdout.write(CommandLine.usage(options.name))
  const isOffline = command._tag !== "Serve"
  if (isOffline && needsConfiguration(command) && findFile(command.config) === undefined) {
    return couldNot(`${options.name}: there is no configuration; name one by --config`)
  }
  const source = await Effect.runPromise(Effect.result(findSource(command.config, options)))
  if (Result.isFailure(source)) return fail(source.failure.message)
  if (isOffline) {
    await perform(command, source.success)
    return source.success.close()
  }
  try {
    await start(options, source.success)
  } catch (cause) {
    await source.success.close()
    fail(`${options.name} could not start: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}
