/**
 * How much a key and a team may use in a span of time. Each limit is a bucket that is full at first, is emptied by
 * use and fills again evenly, so that as much as the limit says can be used at once, and again after the span.
 *
 * The buckets stand in a store of `effect/persistence/RateLimiter`: in memory for one instance, shared for several.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Redacted from "effect/Redacted"
import type { ApiKey } from "./Authenticator.ts"
import { RateLimited } from "./CallError.ts"
import type { Principal } from "./Principal.ts"
import { hexOfText, Sha256 } from "./Sha256.ts"
import { StorageError, Unavailable } from "./StorageError.ts"

const minute = 60_000
const day = 24 * 60 * minute

/** What is limited: what the messages call it, and the span of time in milliseconds. */
const kinds = {
  requests: { unit: "requests", span: "minute", window: minute },
  uploadBytes: { unit: "bytes of uploads", span: "day", window: day },
  files: { unit: "new files", span: "day", window: day },
  batchLines: { unit: "batch lines", span: "day", window: day }
} as const

export type Kind = keyof typeof kinds

/** The most of each kind in its span of time: requests a minute, all else a day. What is not named has no limit. */
export type Allowance = { readonly [K in Kind]?: number | undefined }

/** How much of each kind is used. */
export type Amounts = { readonly [K in Kind]?: number | undefined }

/** What an installation limits. */
export interface Configuration {
  /** For keys that have no allowance of their own. */
  readonly everyKey: Allowance
  readonly keys: ReadonlyArray<Pick<ApiKey, "key" | "limits">>
  /** For all keys of a team together, by the name of the team. */
  readonly teams: ReadonlyMap<string, Allowance>
  /** Where it is counted: one that is shared makes the limits those of all instances together. */
  readonly store: Layer.Layer<RateLimiter.RateLimiterStore>
}

export const unlimited: Configuration = {
  everyKey: {},
  keys: [],
  teams: new Map(),
  store: RateLimiter.layerStoreMemory
}

/** The limits of the installation: none, unless it says so. */
export const Configured: Context.Reference<Configuration> = Context.Reference<Configuration>(
  "@omnifile/core/Limits/Configured",
  { defaultValue: () => unlimited }
)

export class Limits extends Context.Service<
  Limits,
  {
    /** Whether anything is limited for the principal; what is not need not be taken. */
    readonly apply: (principal: Principal) => boolean
    /**
     * Uses as much of the key's allowance and of its team's; nothing of either if one of them has too little left.
     * `RateLimited` tells when there will be enough, as far as there ever will be.
     */
    readonly take: (principal: Principal, amounts: Amounts) => Effect.Effect<void, RateLimited | StorageError>
  }
>()("@omnifile/core/Limits") {}

/** One limit of a principal. */
interface Bucket {
  readonly kind: Kind
  readonly holder: "key" | "team"
  readonly name: string
  readonly limit: number
}

/** Buckets hold so many tokens at most, each standing for as many units as are needed for that. */
const mostTokens = 1_000_000_000

/** The more tokens there are in a span of time, the less exactly a clock counts them. */
const scaleOf = (limit: number): number => Math.ceil(limit / mostTokens)

const kindNames = Object.keys(kinds) as ReadonlyArray<Kind>

const bucketsOf = (holder: Bucket["holder"], name: string, allowance: Allowance): ReadonlyArray<Bucket> =>
  kindNames.flatMap((kind) => {
    const limit = allowance[kind]
    return limit === undefined ? [] : [{ kind, holder, name: `omnifile/${holder}/${name}/${kind}`, limit }]
  })

const refused = ({ holder, kind, limit }: Bucket, retryAfter: number): RateLimited => {
  const { span, unit } = kinds[kind]
  return new RateLimited({ message: `The limit of this ${holder} is reached: ${limit} ${unit} a ${span}.`, retryAfter })
}

const make = ({ everyKey, keys, teams }: Configuration) =>
  Effect.gen(function* () {
    const limiter = yield* RateLimiter.RateLimiter
    const sha256 = yield* Sha256
    const own = new Map<string, Allowance>()
    for (const { key, limits } of keys) {
      if (limits !== undefined) own.set(hexOfText(sha256, Redacted.value(key)), limits)
    }

    const find = ({ keyHash, team }: Principal): ReadonlyArray<Bucket> => [
      ...(keyHash === null ? [] : bucketsOf("key", keyHash, own.get(keyHash) ?? everyKey)),
      ...(team === null ? [] : bucketsOf("team", encodeURIComponent(team), teams.get(team) ?? {}))
    ]
    const known = new WeakMap<Principal, ReadonlyArray<Bucket>>()
    const bucketsFor = (principal: Principal): ReadonlyArray<Bucket> => {
      const found = known.get(principal) ?? find(principal)
      known.set(principal, found)
      return found
    }

    const move = (bucket: Bucket, tokens: number, onExceeded: "delay" | "fail") => {
      const scale = scaleOf(bucket.limit)
      return limiter.consume({
        algorithm: "token-bucket",
        key: bucket.name,
        window: Duration.millis(kinds[bucket.kind].window),
        limit: Math.floor(bucket.limit / scale),
        tokens: Math.ceil(tokens / scale),
        onExceeded
      })
    }

    const use = (bucket: Bucket, amount: number) =>
      move(bucket, amount, "fail").pipe(
        Effect.mapError(({ reason }) =>
          reason._tag === "RateLimitExceeded"
            ? refused(bucket, Duration.toMillis(reason.retryAfter))
            : new StorageError({ backend: "limits", method: "take", reason: new Unavailable({ cause: reason }) })
        )
      )

    const giveBack = (bucket: Bucket, amount: number) => Effect.ignore(move(bucket, -amount, "delay"), { log: "Warn" })

    /** Each bucket in its turn; when one of them refuses, those before it are filled again. */
    const takeAll = (
      [first, ...rest]: ReadonlyArray<Bucket>,
      amounts: Amounts
    ): ReturnType<Limits["Service"]["take"]> => {
      if (first === undefined) return Effect.void
      const amount = amounts[first.kind] ?? 0
      if (amount <= 0) return takeAll(rest, amounts)
      return Effect.andThen(
        use(first, amount),
        rest.length === 0
          ? Effect.void
          : Effect.onExit(takeAll(rest, amounts), (exit) =>
              Exit.isSuccess(exit) ? Effect.void : giveBack(first, amount)
            )
      )
    }

    return Limits.of({
      apply: (principal) => bucketsFor(principal).length > 0,
      take: (principal, amounts) => {
        const buckets = bucketsFor(principal)
        return buckets.length === 0 ? Effect.void : Effect.uninterruptible(takeAll(buckets, amounts))
      }
    })
  })

export const layer: Layer.Layer<Limits, never, Sha256> = Layer.unwrap(
  Effect.map(Configured, (configuration) =>
    Layer.effect(Limits, make(configuration)).pipe(Layer.provide(RateLimiter.layer), Layer.provide(configuration.store))
  )
)
