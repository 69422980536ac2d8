/** Stored responses and containers as a hook: a call that goes on from one goes to where it lies. */
import * as Effect from "effect/Effect"
import type { Hook } from "./Hooks.ts"

/** Not built yet: no step is taken. */
export const make: Effect.Effect<Hook> = Effect.succeed({ name: "managed-jobs" })
