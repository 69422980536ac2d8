/** Usage as a hook: what a provider says that a call has used is counted. */
import * as Effect from "effect/Effect"
import type { Hook } from "./Hooks.ts"

/** Not built yet: no step is taken. */
export const make: Effect.Effect<Hook> = Effect.succeed({ name: "usage" })
