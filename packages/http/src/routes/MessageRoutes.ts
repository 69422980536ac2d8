/** `/v1/messages`, on Anthropic's wire. No route is there yet. */
import * as Layer from "effect/Layer"

export const layer = Layer.empty
