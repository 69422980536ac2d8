/** What happens in a campaign, as its seed says it: every operation and every disturbance by its number. */
import type { FaultKind, RouteName } from "@omnifile/testkit/OpenAIEmulator"
import * as Random from "../support/Random.ts"

/** What a client does. `pick` chooses one of what is there at the time: at least 0 and below 1. */
export type Operation =
  | {
      readonly _tag: "Upload"
      readonly bytes: number
      /** Where there are to be copies at once; none: on demand. */
      readonly accounts: ReadonlyArray<string>
      /** Sent to two servers at the same time under one idempotency key. */
      readonly twice: boolean
    }
  /** An upload in parts, of which each goes to another server. */
  | { readonly _tag: "Parts"; readonly bytes: number; readonly account: string }
  | { readonly _tag: "Chat"; readonly account: string; readonly pick: number }
  | { readonly _tag: "Read"; readonly pick: number }
  | { readonly _tag: "Delete"; readonly pick: number }
  | { readonly _tag: "Batch"; readonly account: string }
  | { readonly _tag: "List" }

export type Disturbance =
  /** `kill -9` of a server, which is started again. */
  | { readonly _tag: "Kill"; readonly server: number }
  /** A server stands still for so long that the others take it for dead. */
  | { readonly _tag: "Pause"; readonly server: number }
  | { readonly _tag: "RestartPostgres"; readonly how: "fast" | "immediate" }
  | { readonly _tag: "RestartRedis" }
  | { readonly _tag: "FlushRedis" }
  | {
      readonly _tag: "Provider"
      readonly account: string
      readonly route: RouteName
      readonly times: number
      readonly kind: FaultKind
    }

/** The same for the same seed and number, whatever was drawn for others. */
const chance = (seed: number, number: number, what: number): Random.Random =>
  Random.make(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number, 0x85ebca6b) ^ Math.imul(what, 0xc2b2ae35))

const oneOf = <A>(random: Random.Random, options: readonly [A, ...ReadonlyArray<A>]): A =>
  options[random.between(0, options.length - 1)] ?? options[0]

export const accounts = ["alpha", "beta", "gamma"] as const

export const operationAt = (seed: number, number: number): Operation => {
  const random = chance(seed, number, 1)
  const kind = random.next()
  const pick = random.next()
  const account = oneOf(random, accounts)
  const bytes = random.next() < 0.1 ? 1_500_000 : random.between(1, 60_000)
  if (kind < 0.06) return { _tag: "Parts", bytes, account }
  if (kind < 0.42) {
    return { _tag: "Upload", bytes, accounts: accounts.filter(() => random.next() < 0.5), twice: random.next() < 0.1 }
  }
  if (kind < 0.62) return { _tag: "Chat", account, pick }
  if (kind < 0.74) return { _tag: "Read", pick }
  if (kind < 0.88) return { _tag: "Delete", pick }
  if (kind < 0.95) return { _tag: "Batch", account }
  return { _tag: "List" }
}

const providerFault = (random: Random.Random): Disturbance => {
  const route = oneOf<RouteName>(random, [
    "files.create",
    "files.create",
    "files.create",
    "files.create",
    "files.delete",
    "files.delete",
    "files.list",
    "chat",
    "batches.create",
    "batches.retrieve"
  ])
  const kind = oneOf<FaultKind>(random, [
    { status: 429, retryAfter: 1 },
    { status: 500 },
    { status: 503 },
    { hang: true },
    { acceptThenCut: true },
    { acceptThenCut: true },
    { cutAfterBytes: 100 },
    { cutAfterBytes: 20, of: "response" },
    { slowBytesPerSecond: 20_000 },
    { delayMs: 1_500 }
  ])
  return { _tag: "Provider", account: oneOf(random, accounts), route, times: random.between(1, 3), kind }
}

/**
 * What goes wrong just before an operation, if anything does: providers at each eighth, servers at each fiftieth. With
 * an intensity of 2, twice as often.
 */
export const disturbanceAt = (seed: number, number: number, intensity: number = 1): Disturbance | undefined => {
  const random = chance(seed, number, 2)
  const server = random.between(0, 2)
  const kind = random.next() / intensity
  if (kind < 0.007) return { _tag: "Kill", server }
  if (kind < 0.01) return { _tag: "Pause", server }
  if (kind < 0.013) return { _tag: "RestartPostgres", how: oneOf(random, ["fast", "immediate"]) }
  if (kind < 0.016) return { _tag: "RestartRedis" }
  if (kind < 0.02) return { _tag: "FlushRedis" }
  return kind < 0.145 ? providerFault(random) : undefined
}

/** The content of an upload: no two are alike. */
export const contentAt = (seed: number, number: number, bytes: number): Buffer => {
  const head = Buffer.from(`${seed}/${number} `)
  return Buffer.concat([head, chance(seed, number, 3).bytes(bytes)])
}

/** The server that an operation begins at. */
export const serverAt = (seed: number, number: number, servers: number): number =>
  chance(seed, number, 4).between(0, servers - 1)
