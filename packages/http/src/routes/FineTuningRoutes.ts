/** `/v1/fine_tuning/jobs`. No route is there yet. */
import * as Layer from "effect/Layer"

export const layer = Layer.empty
