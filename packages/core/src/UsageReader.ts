/** What has been used, as far as the caller may see it: summed over a span of time, by whatever one asks for. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Access from "./Access.ts"
import type { CallError } from "./CallError.ts"
import type { Call } from "./Hooks.ts"
import * as base64url from "./internal/base64url.ts"
import type { JsonObject } from "./Json.ts"
import { Registry } from "./Registry.ts"
import type { Position } from "./RegistryBackend.ts"
import { instant } from "./RegistryIndexes.ts"
import type { StorageError } from "./StorageError.ts"
import { UsageLedger } from "./UsageLedger.ts"
import type { ReadUsage, UsageAnswers, UsageGroup } from "./UsageOperation.ts"
import { hourOf, type UsageRecord } from "./UsageRecord.ts"

export class UsageReader extends Context.Service<
  UsageReader,
  {
    /** Sums of what began in the hours from `from` up to `to`. What this process has counted so far is in it. */
    readonly run: (call: Call<ReadUsage>) => Effect.Effect<UsageAnswers[ReadUsage["_tag"]], CallError>
  }
>()("@omnifile/core/UsageReader") {}

/** Records that are read at once. */
const batch = 1_000

/** An API key by the beginning of its digest: enough to tell keys apart, and nothing to call with. */
const keyName = (digest: string | null): string | null => (digest === null ? null : `key_${digest.slice(0, 16)}`)

const groupValue = ({ account, model, owner }: UsageRecord, group: UsageGroup): string | null => {
  switch (group) {
    case "key":
      return keyName(owner.keyHash)
    case "user":
      return owner.user
    case "team":
      return owner.team
    case "model":
      return model
    case "account":
      return account
  }
}

interface Sum {
  readonly values: JsonObject
  calls: number
  input: number
  cachedInput: number
  output: number
}

const encoder = new TextEncoder()

/** The same for the same group in every answer: pages go on from it. */
const idOf = (values: JsonObject): string => `usage_${base64url.encode(encoder.encode(JSON.stringify(values)))}`

const objectOf = (id: string, { cachedInput, calls, input, output, values }: Sum): JsonObject => ({
  id,
  object: "usage",
  ...values,
  calls,
  input_tokens: input,
  input_cached_tokens: cachedInput,
  output_tokens: output
})

const make = Effect.gen(function* () {
  const ledger = yield* UsageLedger
  const { usage } = yield* Registry

  const sumsOf = Effect.fnUntraced(function* (
    scopes: ReadonlyArray<Access.Scope>,
    { from, groupBy, to }: ReadUsage
  ): Effect.fn.Return<ReadonlyMap<string, Sum>, StorageError> {
    const sums = new Map<string, Sum>()
    let after: Position = { sort: instant(hourOf(from)), key: "" }
    for (;;) {
      const query = { index: "list", partitions: scopes, order: "asc", until: instant(to - 1), limit: batch } as const
      const found = yield* usage.scan({ ...query, after })
      for (const { value } of found) {
        const values = Object.fromEntries(groupBy.map((group) => [group, groupValue(value, group)]))
        const id = idOf(values)
        let sum = sums.get(id)
        if (sum === undefined) {
          sum = { values, calls: 0, input: 0, cachedInput: 0, output: 0 }
          sums.set(id, sum)
        }
        sum.calls += value.calls
        sum.input += value.tokens.input
        sum.cachedInput += value.tokens.cachedInput
        sum.output += value.tokens.output
      }
      const last = found.at(-1)?.value
      if (last === undefined || found.length < batch) return sums
      after = { sort: instant(last.at), key: last.key }
    }
  })

  return UsageReader.of({
    run: Effect.fn("UsageReader.run")(function* ({ operation, principal }) {
      const { _tag, after, limit } = operation
      const scopes = Access.scopesOfPrincipal(principal)
      if (scopes.length === 0) return { _tag, objects: [], hasMore: false }
      yield* ledger.flush
      const sums = yield* sumsOf(scopes, operation)
      const ids = [...sums.keys()].sort().filter((id) => after === null || id > after)
      const objects = ids.slice(0, limit).flatMap((id) => {
        const sum = sums.get(id)
        return sum === undefined ? [] : [objectOf(id, sum)]
      })
      return { _tag, objects, hasMore: ids.length > limit }
    })
  })
})

export const layer: Layer.Layer<UsageReader, never, Registry | UsageLedger> = Layer.effect(UsageReader, make)
