/** What has been used, as far as the caller may see it. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { UsageAnswers, ReadUsage } from "./UsageOperation.ts"
import type { CallError } from "./CallError.ts"
import type { Call } from "./Hooks.ts"

export class UsageReader extends Context.Service<
  UsageReader,
  {
    readonly run: (call: Call<ReadUsage>) => Effect.Effect<UsageAnswers[ReadUsage["_tag"]], CallError, Scope.Scope>
  }
>()("@omnifile/core/UsageReader") {}

export const layer: Layer.Layer<UsageReader> = Layer.succeed(UsageReader, {
  run: () => Effect.die(new Error("UsageReader is not built yet"))
})
