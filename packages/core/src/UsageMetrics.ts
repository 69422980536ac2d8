/** Usage as metrics of this process: counters since its start, by model, account, user and team. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Owner } from "./Access.ts"
import type { Tokens } from "./Usage.ts"

/** What one call or job has used. */
export interface Entry {
  readonly owner: Owner
  /** The name that clients use. */
  readonly model: string
  readonly account: string
  readonly tokens: Tokens
}

/** What entries are counted under: the same text for the same counters. */
export const identityOf = ({ account, model, owner }: Omit<Entry, "tokens">): string =>
  JSON.stringify([owner.user, owner.team, owner.keyHash, model, account])

const counters = ({ account, model, owner }: Omit<Entry, "tokens">) => {
  const attributes = { model, account, user: owner.user ?? "", team: owner.team ?? "" }
  const counter = (name: string, description: string, more: Record<string, string> = {}) =>
    Metric.counter(name, { description, incremental: true, attributes: { ...attributes, ...more } })
  const tokens = (kind: string) => counter("omnifile_tokens_total", "Tokens that providers have counted", { kind })
  return {
    calls: counter("omnifile_calls_total", "Calls and jobs that providers have answered"),
    input: tokens("input"),
    cachedInput: tokens("cached_input"),
    output: tokens("output")
  }
}

/** Makes a function that counts an entry of this identity, in the registry of metrics of where it is made. */
export const make: Effect.Effect<(identity: string, entry: Entry) => void> = Effect.map(
  Effect.context<never>(),
  (context) => {
    const known = new Map<string, ReturnType<typeof counters>>()
    return (identity, entry) => {
      let meters = known.get(identity)
      if (meters === undefined) {
        meters = counters(entry)
        known.set(identity, meters)
      }
      const { cachedInput, input, output } = entry.tokens
      meters.calls.updateUnsafe(1, context)
      meters.input.updateUnsafe(input, context)
      meters.cachedInput.updateUnsafe(cachedInput, context)
      meters.output.updateUnsafe(output, context)
    }
  }
)
