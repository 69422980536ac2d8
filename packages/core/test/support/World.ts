/** A whole installation in memory: fake accounts, shared storage, and instances of the core that come and go. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Account, CallPolicy, defaultPolicy, Deployment } from "../../src/Account.ts"
import { BlobStore } from "../../src/BlobStore.ts"
import * as Bytes from "../../src/Bytes.ts"
import type { CallError } from "../../src/CallError.ts"
import * as ChatRequest from "../../src/ChatRequest.ts"
import type { Answers, Hook } from "../../src/Hooks.ts"
import { HttpTransport } from "../../src/HttpTransport.ts"
import { Intake } from "../../src/Intake.ts"
import { Maintenance } from "../../src/Maintenance.ts"
import type { ManagedFile } from "../../src/ManagedFile.ts"
import * as Omnifile from "../../src/Omnifile.ts"
import type { CreateFile, ListFiles, Operation } from "../../src/Operation.ts"
import { Pipeline } from "../../src/Pipeline.ts"
import type { Principal } from "../../src/Principal.ts"
import type { Provider } from "../../src/Provider.ts"
import { Registry } from "../../src/Registry.ts"
import { RegistryBackend } from "../../src/RegistryBackend.ts"
import type { FileSettings } from "../../src/Settings.ts"
import * as Sha256 from "../../src/Sha256.ts"
import type { StorageError } from "../../src/StorageError.ts"
import { UnifiedIds } from "../../src/UnifiedId.ts"
import * as FakeProvider from "./FakeProvider.ts"
import { decode, encode } from "./FakeProvider.ts"
import { alice } from "./principals.ts"
import * as SharedStorage from "./SharedStorage.ts"
import { advance } from "./time.ts"
import { wire } from "./wire.ts"

export interface Options {
  readonly accounts?: ReadonlyArray<{
    readonly id: string
    readonly exclusive?: boolean
    readonly files?: typeof Account.Type.files
    readonly inlineBelow?: number
    readonly quota?: typeof Account.Type.quota
    readonly policy?: Partial<typeof CallPolicy.Type>
  }>
  readonly deployments?: ReadonlyArray<{
    readonly id: string
    readonly account: string
    readonly modelName: string
    readonly model?: string
    readonly weight?: number
  }>
  readonly settings?: Partial<FileSettings>
  readonly hooks?: ReadonlyArray<Hook>
  /** What all accounts speak; it must have the routes of the fake provider. */
  readonly provider?: Provider
}

interface LogEntry {
  readonly level: string
  readonly message: string
}

export interface Upload {
  readonly principal?: Principal
  readonly content?: string
  readonly filename?: string
  readonly models?: ReadonlyArray<string>
  readonly expiresAfter?: number | null
  readonly idempotencyKey?: string | null
  readonly purpose?: CreateFile["purpose"]
}

export interface Chat {
  readonly principal?: Principal
  readonly model?: string
  readonly files?: ReadonlyArray<string>
  readonly role?: string
}

export interface Instance {
  readonly storage: SharedStorage.StorageView
  readonly logs: ReadonlyArray<LogEntry>
  readonly registry: Registry["Service"]
  readonly receive: Intake["Service"]["receive"]
  /** Runs something with the instance's own services. */
  readonly within: <A, E>(use: Effect.Effect<A, E, Omnifile.Services>) => Effect.Effect<A, E>
  readonly run: <Op extends Operation>(
    operation: Op,
    principal?: Principal
  ) => Effect.Effect<Answers[Op["_tag"]], CallError, Scope.Scope>
  readonly upload: (upload?: Upload) => Effect.Effect<ManagedFile, CallError>
  /** The body of the answer. */
  readonly chat: (chat?: Chat) => Effect.Effect<string, CallError>
  readonly content: (id: string, principal?: Principal) => Effect.Effect<string, CallError>
  readonly remove: (id: string, principal?: Principal) => Effect.Effect<ManagedFile, CallError>
  readonly retrieve: (id: string, principal?: Principal) => Effect.Effect<ManagedFile, CallError>
  readonly list: (
    query?: Partial<ListFiles>,
    principal?: Principal
  ) => Effect.Effect<Answers["ListFiles"]["page"], CallError>
  readonly round: Effect.Effect<void, StorageError>
  /** Ends it in order. */
  readonly stop: Effect.Effect<void>
  /** Ends it as `kill -9` does: nothing of it is heard again, and nothing is cleaned up. */
  readonly kill: () => void
}

export interface World {
  readonly provider: FakeProvider.FakeProvider
  readonly account: (id: string) => FakeProvider.FakeAccount
  readonly storage: SharedStorage.SharedStorage
  /** Starts an instance, which may be configured with some of the accounts only. */
  readonly start: (
    settings?: Partial<FileSettings>,
    accounts?: ReadonlyArray<string>
  ) => Effect.Effect<Instance, StorageError>
}

/** Two accounts of our own, each with one deployment of the model `both` and one of a model of its name. */
const twoAccounts: Required<Pick<Options, "accounts" | "deployments">> = {
  accounts: [{ id: "east" }, { id: "west" }],
  deployments: [
    { id: "both-east", account: "east", modelName: "both", model: "east-model" },
    { id: "both-west", account: "west", modelName: "both", model: "west-model" },
    { id: "only-east", account: "east", modelName: "east-only" },
    { id: "only-west", account: "west", modelName: "west-only" }
  ]
}

export const apiKeyOf = (account: string): string => `sk-${account}-secret`

const catalogOf = ({
  accounts = twoAccounts.accounts,
  deployments = twoAccounts.deployments,
  provider = wire
}: Options) => ({
  providers: [provider],
  accounts: accounts.map(
    ({ exclusive = true, files = "auto", id, inlineBelow = null, policy = {}, quota = null }) =>
      new Account({
        id,
        provider: provider.id,
        baseUrl: `https://${id}.provider.test/v1`,
        apiKey: Redacted.make(apiKeyOf(id)),
        headers: {},
        exclusive,
        files,
        inlineBelow,
        quota,
        policy: new CallPolicy({ ...defaultPolicy, ...policy })
      })
  ),
  deployments: deployments.map(
    ({ account, id, model, modelName, weight = 1 }) =>
      new Deployment({ id, account, modelName, model: model ?? modelName, weight })
  )
})

const restrict = (catalog: ReturnType<typeof catalogOf>, accounts: ReadonlyArray<string>) => ({
  ...catalog,
  accounts: catalog.accounts.filter(({ id }) => accounts.includes(id)),
  deployments: catalog.deployments.filter(({ account }) => accounts.includes(account))
})

/** A chat's body that names files, one message each. */
export const chatBody = ({ files = [], model = "both", role = "user" }: Chat): string =>
  JSON.stringify({
    model,
    messages: files.map((file_id) => ({ role, content: [{ type: "file", file: { file_id } }] }))
  })

const makeInstance = (
  context: Context.Context<Omnifile.Services>,
  logger: Logger.Logger<unknown, void>
): Omit<Instance, "storage" | "logs" | "stop" | "kill"> => {
  const pipeline = Context.get(context, Pipeline)
  const intake = Context.get(context, Intake)
  let requests = 0
  const logging = Effect.provideService(Logger.CurrentLoggers, new Set([logger]))
  const run: Instance["run"] = (operation, principal = alice) =>
    logging(pipeline.run({ id: `request-${++requests}`, principal, operation }))
  /** A request from its beginning to its end. */
  const request = <A, E>(use: Effect.Effect<A, E, Scope.Scope>) => logging(Effect.scoped(use))
  return {
    registry: Context.get(context, Registry),
    within: (use) => logging(Effect.provideContext(use, context)),
    round: logging(Context.get(context, Maintenance).round),
    receive: intake.receive,
    run,
    upload: ({
      content = "content",
      expiresAfter = null,
      filename = "a.txt",
      idempotencyKey = null,
      models = ["both"],
      principal = alice,
      purpose = "user_data"
    } = {}) =>
      request(
        Effect.gen(function* () {
          const received = yield* intake.receive(principal, Bytes.fromArray(encode(content)))
          const operation: CreateFile = {
            _tag: "CreateFile",
            content: received,
            filename,
            declaredType: null,
            purpose,
            models,
            expiresAfter,
            idempotencyKey
          }
          return (yield* run(operation, principal)).file
        })
      ),
    chat: ({ principal = alice, ...chat } = {}) =>
      request(
        Effect.gen(function* () {
          const operation = Result.getOrThrow(ChatRequest.parse(Bytes.fromArray(encode(chatBody(chat)))))
          const { response } = yield* run(operation, principal)
          return decode(yield* Effect.promise(() => Bytes.collect(response.body)))
        })
      ),
    content: (id, principal = alice) =>
      request(
        Effect.gen(function* () {
          const { content } = yield* run({ _tag: "FileContent", id, range: null }, principal)
          return decode(yield* Effect.promise(() => Bytes.collect(content.bytes)))
        })
      ),
    remove: (id, principal = alice) =>
      request(Effect.map(run({ _tag: "DeleteFile", id }, principal), ({ file }) => file)),
    retrieve: (id, principal = alice) =>
      request(Effect.map(run({ _tag: "RetrieveFile", id }, principal), ({ file }) => file)),
    list: (query = {}, principal = alice) => {
      const operation = { _tag: "ListFiles", purpose: null, order: "desc", limit: 100, after: null, ...query } as const
      return request(Effect.map(run(operation, principal), ({ page }) => page))
    }
  }
}

/** Instances are stopped at the end of the test's scope, unless they were killed. */
export const make = (options: Options = {}): Effect.Effect<World, never, Scope.Scope> =>
  Effect.gen(function* () {
    // A time at which nothing is at the beginning of time.
    yield* TestClock.setTime(Date.UTC(2030, 0, 1))
    const testScope = yield* Effect.scope
    const catalog = catalogOf(options)
    const provider = FakeProvider.make(...catalog.accounts.map(({ id }) => id))
    const storage = SharedStorage.make()

    const start: World["start"] = Effect.fnUntraced(function* (settings = {}, only) {
      const logs: Array<LogEntry> = []
      const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
        logs.push({ level: logLevel, message: String(Array.isArray(message) ? message[0] : message) })
      })
      const view = storage.view()
      const transport = HttpTransport.of({
        send: (request) =>
          Effect.suspend(() => (view.isDead() ? Effect.never : provider.transport.send(request))).pipe(
            Effect.tap(() => (view.isDead() ? Effect.never : Effect.void))
          )
      })
      const backends = Layer.mergeAll(
        Layer.succeed(BlobStore, view.blobs),
        Layer.succeed(RegistryBackend, view.backend),
        Layer.succeed(HttpTransport, transport),
        Sha256.layerPortable,
        Layer.orDie(UnifiedIds.layerSealed({ current: Redacted.make("a secret for tests") })),
        Logger.layer([logger])
      )
      const core = Omnifile.layer({
        catalog: only === undefined ? catalog : restrict(catalog, only),
        settings: { ...options.settings, ...settings },
        hooks: options.hooks ?? []
      }).pipe(Layer.provideMerge(backends))
      const scope = Scope.makeUnsafe()
      const context = yield* Layer.buildWithScope(core, scope)
      const stop = Effect.suspend(() => {
        view.interfere = () => undefined
        return view.isDead() ? Effect.void : Scope.close(scope, Exit.void)
      })
      yield* Scope.addFinalizer(testScope, stop)
      return { ...makeInstance(context, logger), storage: view, logs, stop, kill: view.die }
    })

    return { provider, account: provider.account, storage, start }
  })

/** Settings for tests that take hours: background work is rare, so that the hours pass quickly. */
export const unhurried: Partial<FileSettings> = { maintenanceInterval: 60_000, instanceTtl: 600_000 }

/** Time for recovery and clean-up after anything that may have happened, as long as the provider is well. */
export const quiesce: Effect.Effect<void> = advance(25_000, 1_000)
