/**
 * An emulator of OpenAI's file and chat API on loopback: the upstream of tests, and of a server that is tried out
 * without any provider key. Every API key is an account of its own. Tests script its faults and read its journal.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Account from "./openai/Account.ts"
import type { AccountOptions } from "./openai/Account.ts"
import type { BatchBehaviour, EmulatedBatch } from "./openai/BatchControl.ts"
import type { Dialect } from "./openai/Dialect.ts"
import type { StreamShape } from "./openai/Chat.ts"
import * as FineTuning from "./openai/FineTuning.ts"
import * as Faults from "./openai/Faults.ts"
import type { Fault, ScriptedFault } from "./openai/Faults.ts"
import type { Processing, Quota, StoredFile } from "./openai/FileStore.ts"
import * as Journal from "./openai/Journal.ts"
import type { JournalEntry } from "./openai/Journal.ts"
import { dialect as openai } from "./openai/OpenAI.ts"
import * as Server from "./openai/Server.ts"

export type { AccountOptions } from "./openai/Account.ts"
export type { BatchBehaviour, EmulatedBatch } from "./openai/BatchControl.ts"
export type { StreamShape } from "./openai/Chat.ts"
export type { Fault, FaultKind, ScriptedFault } from "./openai/Faults.ts"
export type { Processing, Quota, StoredFile } from "./openai/FileStore.ts"
export type { JournalEntry, JournalUpload } from "./openai/Journal.ts"
export type { RouteName } from "./openai/Route.ts"

export interface EmulatorOptions {
  /** At least one. Keys and names must differ. */
  readonly accounts: ReadonlyArray<AccountOptions>
  /** Default: a free one. */
  readonly port?: number | undefined
  /**
   * Epoch milliseconds; decides `created_at` and expiry. Default: the system's clock for `start`, the fiber's `Clock`
   * for `make`. Latency, delays and stream intervals are always real time.
   */
  readonly now?: (() => number) | undefined
  /** Files up to this many bytes keep their content, larger ones only size and digest. Default 64 MiB. */
  readonly keepBytes?: number | undefined
  /** How chat answers are streamed; an account may say otherwise. */
  readonly stream?: StreamShape | undefined
  readonly journal?:
    | {
        /** The oldest entries beyond these are forgotten. Default 10,000. */
        readonly maxEntries?: number | undefined
        /** Characters of a JSON body that an entry keeps. Default 262,144. */
        readonly bodyLimit?: number | undefined
      }
    | undefined
}

export interface Emulator {
  /** For example `http://127.0.0.1:40123/v1`; the same for all accounts. */
  readonly baseUrl: string
  /** Every request since the start, oldest first. A live view. */
  readonly journal: ReadonlyArray<JournalEntry>
  /**
   * Resolves with the first entry, past or future, that satisfies the predicate, which is asked again whenever
   * something happens to a request. Rejects after `timeoutMs` of real time (default 5,000).
   */
  readonly waitFor: (predicate: (entry: JournalEntry) => boolean, timeoutMs?: number) => Promise<JournalEntry>
  /** Scripts a fault. Of several that apply, the one scripted first is taken. */
  readonly fault: (fault: Fault) => ScriptedFault
  readonly clearFaults: () => void
  /** The files of an account, oldest first, expired ones left out. */
  readonly files: (account: string) => ReadonlyArray<StoredFile>
  /** Makes a file vanish behind everybody's back; false when it was not there. */
  readonly loseFile: (account: string, id: string) => boolean
  /** Lets a file expire now, as if its time were up; false when it was not there. */
  readonly expireFile: (account: string, id: string) => boolean
  /** How files that are uploaded from now on are processed before they can be used. Default: not at all. */
  readonly setProcessing: (account: string, processing: Processing) => void
  /** What the account may hold from now on. An upload beyond it is refused in the API's own words. */
  readonly setQuota: (account: string, quota: Quota) => void
  /** Every batch of the account goes one step on: validating, in progress, completed. */
  readonly advanceBatches: (account: string) => void
  /** The batches of an account, oldest first. */
  readonly batches: (account: string) => ReadonlyArray<EmulatedBatch>
  /** How the account's batches behave from now on. */
  readonly setBatches: (account: string, behaviour: BatchBehaviour) => void
  /** Every unfinished fine-tuning job of the account makes one step; there are three to the end. */
  readonly advanceFineTuning: (account: string) => void
  /** From now on a fine-tuning job of the account makes a step whenever it is asked for, too. */
  readonly stepFineTuningWhenAsked: (account: string) => void
  /** From now on every answer of the account waits so many milliseconds of real time. */
  readonly setLatency: (account: string, milliseconds: number) => void
  /** Breaks every connection and frees the port. */
  readonly close: () => Promise<void>
}

/** Starts an emulator on 127.0.0.1. Rejects when the port is taken or the accounts are not told apart. */
export const start = (options: EmulatorOptions): Promise<Emulator> => startDialect(openai, options)

/** Starts an emulator of an API. */
export const startDialect = async (dialect: Dialect, options: EmulatorOptions): Promise<Emulator> => {
  const now = options.now ?? Date.now
  const accounts = options.accounts.map((account) =>
    Account.make(account, { now, stream: options.stream, newFileId: dialect.newFileId })
  )
  if (accounts.length === 0) throw new Error("an emulator needs at least one account")
  if (new Set(accounts.map(({ key }) => key)).size < accounts.length) throw new Error("two accounts have the same key")
  if (new Set(accounts.map(({ name }) => name)).size < accounts.length) {
    throw new Error("two accounts have the same name")
  }
  const named = (name: string): Account.Account => {
    const account = accounts.find((candidate) => candidate.name === name)
    if (account === undefined) throw new Error(`the emulator has no account named ${name}`)
    return account
  }
  const journal = Journal.make({
    maxEntries: options.journal?.maxEntries ?? 10_000,
    bodyLimit: options.journal?.bodyLimit ?? 262_144
  })
  const faults = Faults.make(dialect.error)
  const keepBytes = options.keepBytes ?? 64 * 1024 * 1024
  const server = await Server.listen({ dialect, accounts, journal, faults, now, keepBytes }, options.port ?? 0)
  return {
    baseUrl: `http://127.0.0.1:${server.port}${dialect.basePath}`,
    journal: journal.entries,
    waitFor: journal.waitFor,
    fault: (fault) => {
      if (fault.account !== undefined) named(fault.account)
      return faults.script(fault)
    },
    clearFaults: faults.clear,
    files: (account) => named(account).files.all(),
    loseFile: (account, id) => named(account).files.delete(id),
    expireFile: (account, id) => named(account).files.expire(id),
    setProcessing: (account, processing) => named(account).files.setProcessing(processing),
    setQuota: (account, quota) => named(account).files.setQuota(quota),
    advanceBatches: (account) => dialect.batches.advance(named(account)),
    batches: (account) => dialect.batches.all(named(account)),
    setBatches: (account, behaviour) => dialect.batches.behave(named(account), behaviour),
    advanceFineTuning: (account) => FineTuning.advance(named(account)),
    stepFineTuningWhenAsked: (account) => FineTuning.stepWhenAsked(named(account)),
    setLatency: (account, milliseconds) => {
      named(account).latencyMs = milliseconds
    },
    close: server.close
  }
}

/** `start` as a scoped resource: the emulator is closed with its scope. A failure to start is a defect. */
export const make = (options: EmulatorOptions): Effect.Effect<Emulator, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const now = options.now ?? (() => clock.currentTimeMillisUnsafe())
    return yield* Effect.acquireRelease(
      Effect.promise(() => start({ ...options, now })),
      (emulator) => Effect.promise(() => emulator.close())
    )
  })

/** What a server needs to know of an emulated provider. */
export interface DemoAccount {
  readonly name: string
  readonly baseUrl: string
  readonly key: string
}

export interface Demo {
  readonly accounts: ReadonlyArray<DemoAccount>
  readonly close: () => Promise<void>
}

/**
 * Two emulated providers on free ports of loopback, `emulated-alpha` and `emulated-beta`, for trying a server out
 * without any provider key. They keep little in memory and serve every model name; their jobs go on whenever they
 * are asked for.
 */
export const demo = async (): Promise<Demo> => {
  const names = ["emulated-alpha", "emulated-beta"]
  const providers = await Promise.all(
    names.map(async (name) => {
      const key = `sk-${name}`
      const emulator = await start({
        accounts: [{ name, key }],
        keepBytes: 4 * 1024 * 1024,
        stream: { intervalMs: 20 },
        journal: { maxEntries: 100, bodyLimit: 4_096 }
      })
      emulator.setBatches(name, { pollsPerStep: 1 })
      emulator.stepFineTuningWhenAsked(name)
      return { emulator, account: { name, baseUrl: emulator.baseUrl, key } }
    })
  )
  return {
    accounts: providers.map(({ account }) => account),
    close: async () => {
      await Promise.all(providers.map(({ emulator }) => emulator.close()))
    }
  }
}
