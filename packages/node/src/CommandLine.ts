/** What the program is asked to do, read from its command line. */
import * as Result from "effect/Result"
import { parseArgs, type ParseArgsOptionsConfig } from "node:util"

/** What every command takes: where the configuration is. */
interface Common {
  /** The configuration file, if one is named. */
  readonly config: string | undefined
}

export interface Serve extends Common {
  readonly _tag: "Serve"
}

export interface Doctor extends Common {
  readonly _tag: "Doctor"
  /** Repairs what can be repaired without doubt. */
  readonly fix: boolean
  /** Only this account's files are compared; undefined for all. */
  readonly account: string | undefined
  readonly json: boolean
}

export interface ImportLitellm extends Common {
  readonly _tag: "ImportLitellm"
  readonly databaseUrl: string
  readonly litellmConfig: string | undefined
  /** Accounts by the ID of a deployment of LiteLLM. */
  readonly map: ReadonlyMap<string, string>
  /** Finds out at the providers on which accounts other deployments are. */
  readonly askAccounts: boolean
  readonly dryRun: boolean
  readonly json: boolean
}

export interface Erase extends Common {
  readonly _tag: "Erase"
  readonly user: string
  readonly dryRun: boolean
  readonly json: boolean
}

export type Command = Serve | Doctor | ImportLitellm | Erase | { readonly _tag: "Help" }

export const usage = (name: string): string => `Usage: ${name} [COMMAND] [--config FILE]

Without a command the server is started.

  doctor                 checks the configuration, storage, accounts, clock and secrets, and compares the files of
                         each account with the registry; ends with 1 if something is amiss, 2 if it could not look
    --fix                makes lost copies known, so that they are made again, and deletes orphans from accounts
                         that are exclusive
    --account ID         compares the files of this account only
    --json               tells it as JSON
  import litellm         takes files, batches and fine-tuning jobs over from LiteLLM, under the IDs that they have
    --database-url URL   LiteLLM's database, which is only read; else $LITELLM_DATABASE_URL
    --litellm-config F   LiteLLM's configuration, whose model list tells which account a deployment is on
    --map ID=ACCOUNT     the account of a deployment of LiteLLM; may be given several times
    --ask-accounts       asks each account for files of deployments that nothing else tells the account of
    --dry-run            tells what would be imported, and changes nothing
    --json               tells it as JSON
  erase --user USER      deletes everything that is the user's, with every copy at providers, and tells what became
                         of each
    --dry-run            tells what would be erased, and changes nothing
    --json               tells it as JSON

  --config FILE          the configuration; else $OMNIFILE_CONFIG, else ./omnifile.yaml if there is one
  --help                 this text

Without a configuration, accounts are taken from OPENAI_API_KEY and ANTHROPIC_API_KEY; without those, two
emulated providers are started. PORT and HOST take precedence over the configuration.
`

const text = { type: "string" } as const
const flag = { type: "boolean" } as const

const common = { config: text, help: { ...flag, short: "h" } } as const satisfies ParseArgsOptionsConfig

const doctorOptions = { ...common, fix: flag, account: text, json: flag } as const
const importOptions = {
  ...common,
  "database-url": text,
  "litellm-config": text,
  map: { ...text, multiple: true },
  "ask-accounts": flag,
  "dry-run": flag,
  json: flag
} as const
const eraseOptions = { ...common, user: text, "dry-run": flag, json: flag } as const

/** The first line of what the parser says, which names the option. */
const reason = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).split(/\. |\n/)[0] ?? ""

const parseWith = <const Options extends ParseArgsOptionsConfig>(args: ReadonlyArray<string>, options: Options) =>
  Result.try({ try: () => parseArgs({ args: [...args], options, strict: true }).values, catch: reason })

const readMap = (pairs: ReadonlyArray<string>): Result.Result<ReadonlyMap<string, string>, string> => {
  const map = new Map<string, string>()
  for (const pair of pairs) {
    const at = pair.lastIndexOf("=")
    if (at < 1 || at === pair.length - 1) return Result.fail(`--map must be DEPLOYMENT=ACCOUNT, not ${pair}`)
    map.set(pair.slice(0, at), pair.slice(at + 1))
  }
  return Result.succeed(map)
}

const help: Command = { _tag: "Help" }

const parseImport = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string | undefined>>
): Result.Result<Command, string> =>
  Result.flatMap(parseWith(args, importOptions), (values) => {
    if (values.help === true) return Result.succeed(help)
    const databaseUrl = values["database-url"] ?? env["LITELLM_DATABASE_URL"]
    if (databaseUrl === undefined || databaseUrl === "") return Result.fail("import litellm needs --database-url")
    return Result.map(readMap(values.map ?? []), (map): Command => {
      const { "ask-accounts": askAccounts = false, "dry-run": dryRun = false, config, json = false } = values
      const litellmConfig = values["litellm-config"]
      return { _tag: "ImportLitellm", databaseUrl, litellmConfig, map, askAccounts, dryRun, config, json }
    })
  })

const parseErase = (args: ReadonlyArray<string>): Result.Result<Command, string> =>
  Result.flatMap(parseWith(args, eraseOptions), (values) => {
    const { "dry-run": dryRun = false, config, json = false, user } = values
    if (values.help === true) return Result.succeed(help)
    return user === undefined || user === ""
      ? Result.fail("erase needs --user")
      : Result.succeed<Command>({ _tag: "Erase", user, dryRun, config, json })
  })

/** The command, or in one line what is wrong with it. */
export const parse = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string | undefined>>
): Result.Result<Command, string> => {
  const [first, second] = args
  if (first === undefined || first.startsWith("-")) {
    return Result.map(parseWith(args, common), ({ config, help: isHelp }) =>
      isHelp === true ? help : { _tag: "Serve", config }
    )
  }
  switch (first) {
    case "doctor":
      return Result.map(parseWith(args.slice(1), doctorOptions), (values) => {
        const { account, config, fix = false, json = false } = values
        return values.help === true ? help : { _tag: "Doctor", account, config, fix, json }
      })
    case "import":
      return second === "litellm"
        ? parseImport(args.slice(2), env)
        : Result.fail(`import takes litellm${second === undefined ? "" : `, not ${second}`}`)
    case "erase":
      return parseErase(args.slice(1))
    default:
      return Result.fail(`Unknown command ${first}`)
  }
}
