/** The ID in the path of a request. */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"

/** As the client wrote it. */
export const pathId = Effect.map(HttpRouter.params, ({ id = "" }) => id)
