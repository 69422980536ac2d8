/**
 * Whether a configuration works here and now: storage answers, every account accepts its credentials, the clock is
 * right, secrets are hard to guess. Nothing is changed, except that storage which is not there yet is made.
 */
import type { Account } from "@omnifile/core/Account"
import { BlobStore } from "@omnifile/core/BlobStore"
import { RegistryBackend } from "@omnifile/core/RegistryBackend"
import * as Upstream from "@omnifile/core/Upstream"
import * as Provider from "@omnifile/core/Provider"
import { ProviderError } from "@omnifile/core/ProviderError"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Backends from "./Backends.ts"
import type { Configuration } from "./config/Configuration.ts"
import * as AccountCredentials from "./AccountCredentials.ts"
import * as UndiciTransport from "./UndiciTransport.ts"

export interface Finding {
  /** What was looked at, such as `account openai-main`. */
  readonly subject: string
  /** `failed` is what keeps the server from its work; `warning` is what is better mended. */
  readonly verdict: "ok" | "warning" | "failed"
  /** Without any secret. */
  readonly detail: string
}

/** How long anything may take to answer. */
const patience = "10 seconds"

/** A clock that is off by more makes signatures and limits wrong. Milliseconds. */
const clockTolerance = 30_000

/** Short of this many different characters a text is a word or a pattern. */
const variety = 8

const shortestSecret = 32
const shortestKey = 16

const ok = (subject: string, detail: string): Finding => ({ subject, verdict: "ok", detail })
const warning = (subject: string, detail: string): Finding => ({ subject, verdict: "warning", detail })
const failed = (subject: string, detail: string): Finding => ({ subject, verdict: "failed", detail })

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The innermost cause, which names what the system said, such as `connect ECONNREFUSED 127.0.0.1:6379`. */
const rootOf = (error: unknown): string => {
  if (error instanceof ProviderError) return error.message
  if (typeof error !== "object" || error === null) return messageOf(error)
  const inner = "reason" in error ? error.reason : "cause" in error ? error.cause : undefined
  return (inner === undefined ? "" : rootOf(inner)) || messageOf(error)
}

/** What a check says, and a failure of it as a finding. */
const settle = <R>(subject: string, check: Effect.Effect<string, unknown, R>): Effect.Effect<Finding, never, R> =>
  check.pipe(
    Effect.timeout(patience),
    Effect.matchCause({
      onSuccess: (detail) => ok(subject, detail),
      onFailure: (cause) => failed(subject, rootOf(Cause.squash(cause)))
    })
  )

const storage = (configuration: Configuration) =>
  Effect.scoped(
    Effect.gen(function* () {
      const registry = yield* settle(
        "registry",
        Effect.provide(
          Effect.gen(function* () {
            const backend = yield* RegistryBackend
            yield* backend.read("instances", ["doctor"])
            return `${backend.name} answers`
          }),
          Backends.registry(configuration)
        )
      )
      const content = yield* settle(
        "content",
        Effect.provide(
          Effect.gen(function* () {
            const blobs = yield* BlobStore
            yield* Backends.contentDependency(blobs).check
            return `${blobs.name} answers`
          }),
          Backends.content(configuration)
        )
      )
      const limits = yield* Effect.option(Backends.limitStore(configuration))
      const stores = limits._tag === "Some" ? limits.value.dependencies : []
      const counted = yield* Effect.forEach(stores, ({ check }) =>
        // It connects in the background.
        Effect.map(
          settle(
            "limits",
            Effect.as(Effect.retry(check, { schedule: Schedule.spaced("50 millis"), times: 40 }), "redis answers")
          ),
          // Calls go on without it.
          (finding): Finding => (finding.verdict === "failed" ? { ...finding, verdict: "warning" } : finding)
        )
      )
      return [registry, content, ...counted]
    })
  )

/** How far our clock is ahead of the one that sent this, as exactly as an HTTP date tells. */
const clockOf = (account: Account, date: unknown, now: number): ReadonlyArray<Finding> => {
  const theirs = typeof date === "string" ? Date.parse(date) : Number.NaN
  if (Number.isNaN(theirs)) return []
  const seconds = Math.round((now - theirs) / 1_000)
  return Math.abs(now - theirs) > clockTolerance
    ? [
        warning(
          "clock",
          `is ${Math.abs(seconds)} s ${seconds > 0 ? "ahead of" : "behind"} that of account ${account.id}`
        )
      ]
    : [ok("clock", `agrees with that of account ${account.id}`)]
}

/** Lists files: no provider asks money for it, and it needs the credentials. */
const account = (target: Upstream.ProviderAccount) =>
  Effect.gen(function* () {
    const upstream = yield* Upstream.Upstream
    const subject = `account ${target.account.id}`
    let clock: ReadonlyArray<Finding> = []
    const finding = yield* settle(
      subject,
      Effect.scoped(
        Effect.gen(function* () {
          const { files } = target.provider
          if (files === null) return "has no call that costs nothing: its credentials are not tried"
          const { headers } = yield* upstream.send(target, files.list(null))
          clock = clockOf(target.account, headers["date"], yield* Clock.currentTimeMillis)
          return "accepts its credentials"
        })
      )
    )
    return [finding, ...clock]
  })

const isVaried = (text: string): boolean => new Set(text).size >= variety

const secrets = ({ keys, secret }: Configuration): ReadonlyArray<Finding> => {
  const text = secret.current === null ? null : Redacted.value(secret.current)
  const isWeak = text !== null && (text.length < shortestSecret || !isVaried(text))
  const weakKeys = keys.filter(({ key }) => {
    const value = Redacted.value(key)
    return value.length < shortestKey || !isVaried(value)
  }).length
  return [
    isWeak
      ? warning("secret", `should be ${shortestSecret} random characters or more, such as openssl rand -hex 32 prints`)
      : ok("secret", text === null ? "is made by the server" : "is long and varied"),
    weakKeys > 0
      ? warning("keys", `${weakKeys} of ${keys.length} should be ${shortestKey} random characters or more`)
      : ok("keys", "are long and varied")
  ]
}

/** One clock, however many accounts tell the time: what is wrong with it, or that one of them agrees. */
const oneClock = (findings: ReadonlyArray<Finding>): ReadonlyArray<Finding> => {
  const clocks = findings.filter(({ subject }) => subject === "clock")
  const told = clocks.find(({ verdict }) => verdict !== "ok") ?? clocks[0]
  return [...findings.filter(({ subject }) => subject !== "clock"), ...(told === undefined ? [] : [told])]
}

/** Looks at everything, in the order of the answer. */
export const examine = (
  configuration: Configuration,
  providers: ReadonlyArray<Provider.Provider>
): Effect.Effect<ReadonlyArray<Finding>> =>
  Effect.gen(function* () {
    const found = yield* Effect.forEach(
      configuration.accounts,
      (each): Effect.Effect<ReadonlyArray<Finding>, never, Upstream.Upstream> => {
        const provider = providers.find(({ id }) => id === each.provider)
        return provider === undefined
          ? Effect.succeed([])
          : account({ account: each, provider: Provider.of(provider, each) })
      },
      { concurrency: 4 }
    )
    return [...(yield* storage(configuration)), ...oneClock(found.flat()), ...secrets(configuration)]
  }).pipe(
    Effect.provide(Layer.provide(Upstream.layer, [UndiciTransport.layer, AccountCredentials.layer(configuration)]))
  )

/** One line for each finding. */
export const toText = (findings: ReadonlyArray<Finding>): string =>
  findings.map(({ detail, subject, verdict }) => `${verdict.padEnd(7)}  ${subject}: ${detail}\n`).join("")
