/**
 * An account: one API key and everything that belongs to it. Nothing of one account is visible to another.
 */
import type { IncomingHttpHeaders } from "node:http"
import { ApiError } from "./Answer.ts"
import type { StreamShape } from "./Chat.ts"
import * as FileStore from "./FileStore.ts"

export interface AccountOptions {
  /** The API key, sent as `Authorization: Bearer <key>`. */
  readonly key: string
  /** Names the account in the journal, in faults and in chat answers. */
  readonly name: string
  /** The models it serves; any other is answered 404. Default: one is listed, every name is accepted. */
  readonly models?: ReadonlyArray<string> | undefined
  /** Waited before each answer, in milliseconds of real time. Default 0. */
  readonly latencyMs?: number | undefined
  /** Default: the emulator's. */
  readonly stream?: StreamShape | undefined
}

export interface Account {
  readonly key: string
  readonly name: string
  readonly models: ReadonlyArray<string> | undefined
  readonly stream: StreamShape
  readonly files: FileStore.FileStore
  /** Epoch milliseconds. */
  readonly now: () => number
  /** What the account has of each resource, by the resource's own key: see `of`. */
  readonly state: Map<symbol, unknown>
  latencyMs: number
}

/** What one resource keeps in an account. The key must belong to one type. */
export interface StateKey<out A> {
  readonly symbol: symbol
  readonly make: (account: Account) => A
}

/** The account's part of a resource, made at the first look. */
export const of = <A>(account: Account, key: StateKey<A>): A => {
  const known = account.state.get(key.symbol)
  // Only this function fills the map, and always with what the key makes.
  if (known !== undefined) return known as A
  const made = key.make(account)
  account.state.set(key.symbol, made)
  return made
}

export const make = (
  options: AccountOptions,
  defaults: {
    readonly now: () => number
    readonly stream: StreamShape | undefined
    readonly newFileId: () => string
  }
): Account => ({
  key: options.key,
  name: options.name,
  models: options.models,
  stream: { ...defaults.stream, ...options.stream },
  files: FileStore.make(defaults.now, defaults.newFileId),
  now: defaults.now,
  state: new Map(),
  latencyMs: options.latencyMs ?? 0
})

/** The key that a request carries. */
export const bearer = (headers: IncomingHttpHeaders): string | undefined =>
  /^bearer\s+(\S+)$/i.exec(headers.authorization ?? "")?.[1]

/** The account with that key. */
export const find = (accounts: ReadonlyArray<Account>, key: string | undefined): Account | undefined =>
  accounts.find((account) => account.key === key)

/** OpenAI's refusal of a missing or wrong key. */
export const unauthorized = (headers: IncomingHttpHeaders): ApiError => {
  const key = bearer(headers)
  if (key === undefined) {
    const message =
      "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth " +
      "(i.e. Authorization: Bearer YOUR_KEY)."
    return new ApiError(401, message)
  }
  const shown = key.length > 12 ? `${key.slice(0, 4)}***${key.slice(-4)}` : "***"
  return new ApiError(401, `Incorrect API key provided: ${shown}.`, { code: "invalid_api_key" })
}
