/** The whole HTTP surface. A new route is a module in `routes/` and a line here. */
import * as Layer from "effect/Layer"
import * as ChatRoutes from "./routes/ChatRoutes.ts"
import * as FileRoutes from "./routes/FileRoutes.ts"
import * as HealthRoutes from "./routes/HealthRoutes.ts"
import * as ModelRoutes from "./routes/ModelRoutes.ts"

export const layer = Layer.mergeAll(FileRoutes.layer, ChatRoutes.layer, ModelRoutes.layer, HealthRoutes.layer)
