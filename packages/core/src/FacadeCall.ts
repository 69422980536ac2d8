/** One call of the façade: the way that every call goes, whoever makes it. */
import * as Effect from "effect/Effect"
import type { Send } from "./ModelCalls.ts"
import type { Operation } from "./Operation.ts"
import { Pipeline } from "./Pipeline.ts"
import { admin, type Caller, ofCaller, type Principal } from "./Principal.ts"
import * as Uuid from "./Uuid.ts"

/** Whatever is called without saying who calls may do everything. */
export const principalOf = (caller: Caller | undefined): Principal => (caller === undefined ? admin : ofCaller(caller))

export const run = <Op extends Operation>(operation: Op, principal: Principal, send?: Send) =>
  Effect.gen(function* () {
    const pipeline = yield* Pipeline
    return yield* pipeline.run({ id: `call_${yield* Uuid.make}`, principal, operation }, { send })
  })
