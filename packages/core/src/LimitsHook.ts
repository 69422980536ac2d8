/** Limits as a hook: the first one, so that a call over its limit costs nothing more. */
import * as Effect from "effect/Effect"
import type { Hook } from "./Hooks.ts"
import { type Amounts, Limits } from "./Limits.ts"
import type { Operation } from "./Operation.ts"

const oneRequest: Amounts = { requests: 1 }

/** What is known to be used before the operation runs. The lines of a batch are taken when they have been counted. */
const amountsOf = (operation: Operation): Amounts => {
  switch (operation._tag) {
    case "CreateFile":
      return { requests: 1, files: 1, uploadBytes: operation.content.bytes }
    case "CreateUpload":
      return { requests: 1, files: 1 }
    case "AddUploadPart":
      return { requests: 1, uploadBytes: operation.part.bytes }
    default:
      return oneRequest
  }
}

export const make: Effect.Effect<Hook, never, Limits> = Effect.map(Limits, (limits): Hook => ({
  name: "limits",
  preCall: (call) =>
    limits.apply(call.principal)
      ? Effect.as(limits.take(call.principal, amountsOf(call.operation)), call)
      : Effect.succeed(call)
}))
