/** Calls of OpenAI's API that go on to a deployment as they are. No route is there yet. */
import * as Layer from "effect/Layer"

export const layer = Layer.empty
