/** Limits as a hook: a call over one of its limits is refused before anything is looked up. */
import * as Effect from "effect/Effect"
import type { Hook } from "./Hooks.ts"

/** Not built yet: no step is taken. */
export const make: Effect.Effect<Hook> = Effect.succeed({ name: "limits" })
