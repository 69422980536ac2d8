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
import { parseArgs } from "node:util"
import * as Configuration from "./config/Configuration.ts"
import * as Doctor from "./Doctor.ts"
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

const usage = (name: string): string => `Usage: ${name} [doctor] [--config FILE]

  doctor          checks the configuration, storage, accounts, clock and secrets, and starts nothing;
                  ends with exit code 1 if anything would keep the server from its work
  --config FILE   the configuration; else $OMNIFILE_CONFIG, else ./omnifile.yaml if there is one
  --help          this text

Without a configuration, accounts are taken from OPENAI_API_KEY and ANTHROPIC_API_KEY; without those, two
emulated providers are started. PORT and HOST take precedence over the configuration.
`

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

/** Tells what works and what does not, a line each. */
const examine = async ({ configuration }: Source): Promise<void> => {
  const findings = await Effect.runPromise(
    Effect.provide(Doctor.examine(configuration, builtInProviders), Logger.layer([]))
  )
  process.stdout.write(Doctor.toText([{ subject: "configuration", verdict: "ok", detail: "is valid" }, ...findings]))
  if (findings.some(({ verdict }) => verdict === "failed")) process.exitCode = 1
}

/** Runs the program. What is wrong with the configuration goes to standard error, all of it, with exit code 1. */
export const main = async (options: MainOptions): Promise<void> => {
  const { positionals, values } = parseArgs({
    options: { config: { type: "string" }, help: { type: "boolean" } },
    allowPositionals: true
  })
  const { config, help } = values
  const [command, ...more] = positionals
  if ((command !== undefined && command !== "doctor") || more.length > 0) {
    return fail(`Unknown command ${positionals.join(" ")}\n\n${usage(options.name)}`)
  }
  if (help === true) return void process.stdout.write(usage(options.name))
  const source = await Effect.runPromise(Effect.result(findSource(config, options)))
  if (Result.isFailure(source)) return fail(source.failure.message)
  if (command === "doctor") {
    await examine(source.success)
    return source.success.close()
  }
  try {
    await start(options, source.success)
  } catch (cause) {
    await source.success.close()
    fail(`${options.name} could not start: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}
