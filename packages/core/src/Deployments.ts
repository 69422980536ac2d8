/**
 * Which deployment serves a call: weighted by configuration and by how busy each is, with those that failed
 * lately put last until they have cooled down.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type { Deployment } from "./Account.ts"
import type { Candidate } from "./Hooks.ts"
import type { ProviderError } from "./ProviderError.ts"

export class Deployments extends Context.Service<
  Deployments,
  {
    /**
     * The order in which to try candidates: by rank, and within one rank drawn with a chance in proportion to
     * the weight, divided by the calls being served. Deployments that cool down come last, the first to
     * recover leading: they are tried when nothing else is left.
     */
    readonly order: (candidates: ReadonlyArray<Candidate>) => Effect.Effect<ReadonlyArray<Deployment>>
    /** Counts a call to the deployment as under way until the returned function is called, once. */
    readonly begin: (deployment: Deployment) => () => void
    readonly succeeded: (deployment: Deployment) => void
    /**
     * Makes the deployment cool down if the failure is the provider's. How long grows with each in a row, where
     * those that come while it cools down count as one with the first.
     */
    readonly failed: (deployment: Deployment, error: ProviderError) => Effect.Effect<void>
  }
>()("@omnifile/core/Deployments") {}

interface Health {
  active: number
  failures: number
  coolUntil: number
}

/** The first cool-down, in milliseconds; it doubles with each failure in a row. */
const firstCoolDown = 1_000
const longestCoolDown = 60_000

const make = Effect.sync(() => {
  const health = new Map<string, Health>()
  const of = (deployment: Deployment): Health => {
    const known = health.get(deployment.id)
    if (known !== undefined) return known
    const fresh = { active: 0, failures: 0, coolUntil: 0 }
    health.set(deployment.id, fresh)
    return fresh
  }

  /** One weighted draw without replacement after the other; weight 0 comes after all others. */
  const draw = Effect.fnUntraced(function* (candidates: ReadonlyArray<Deployment>) {
    const left = candidates.map((deployment) => ({
      deployment,
      share: deployment.weight / (1 + of(deployment).active)
    }))
    const drawn: Array<Deployment> = []
    while (left.length > 0) {
      const total = left.reduce((sum, { share }) => sum + share, 0)
      let point = (yield* Random.next) * total
      let index = left.findIndex(({ share }) => (point -= share) < 0)
      if (index < 0) index = left.length - 1
      drawn.push(...left.splice(index, 1).map(({ deployment }) => deployment))
    }
    return drawn
  })

  return Deployments.of({
    order: Effect.fnUntraced(function* (candidates) {
      const [only] = candidates
      if (only !== undefined && candidates.length === 1) return [only.deployment]
      const now = yield* Clock.currentTimeMillis
      const isCooling = ({ deployment }: Candidate) => of(deployment).coolUntil > now
      const ordered: Array<Deployment> = []
      for (const rank of [...new Set(candidates.map((candidate) => candidate.rank))].sort((a, b) => a - b)) {
        const healthy = candidates.filter((candidate) => candidate.rank === rank && !isCooling(candidate))
        ordered.push(...(yield* draw(healthy.map(({ deployment }) => deployment))))
      }
      const cooling = candidates.filter(isCooling).map(({ deployment }) => deployment)
      return [...ordered, ...cooling.sort((a, b) => of(a).coolUntil - of(b).coolUntil)]
    }),
    begin: (deployment) => {
      const state = of(deployment)
      state.active++
      let ended = false
      return () => {
        if (ended) return
        ended = true
        state.active--
      }
    },
    succeeded: (deployment) => {
      const state = of(deployment)
      state.failures = 0
      state.coolUntil = 0
    },
    failed: Effect.fnUntraced(function* (deployment, error) {
      const { reason } = error
      if (!error.retryable && reason._tag !== "Unauthorized") return
      const state = of(deployment)
      const now = yield* Clock.currentTimeMillis
      const asked = reason._tag === "Throttled" ? (reason.retryAfter ?? 0) : 0
      const isFirst = state.coolUntil <= now
      const pause = isFirst ? Math.max(asked, firstCoolDown * 2 ** state.failures) : asked
      if (isFirst) state.failures++
      state.coolUntil = Math.max(state.coolUntil, now + Math.min(longestCoolDown, pause))
    })
  })
})

export const layer: Layer.Layer<Deployments> = Layer.effect(Deployments, make)
