/** The whole HTTP surface. A new route is a module in `routes/` and a line here. */
import * as Layer from "effect/Layer"
import * as BatchRoutes from "./routes/BatchRoutes.ts"
import * as ChatRoutes from "./routes/ChatRoutes.ts"
import * as FileRoutes from "./routes/FileRoutes.ts"
import * as FineTuningRoutes from "./routes/FineTuningRoutes.ts"
import * as ForwardRoutes from "./routes/ForwardRoutes.ts"
import * as HealthRoutes from "./routes/HealthRoutes.ts"
import * as MessageRoutes from "./routes/MessageRoutes.ts"
import * as MetricsRoutes from "./routes/MetricsRoutes.ts"
import * as ModelRoutes from "./routes/ModelRoutes.ts"
import * as ResponseRoutes from "./routes/ResponseRoutes.ts"
import * as UploadRoutes from "./routes/UploadRoutes.ts"
import * as UsageRoutes from "./routes/UsageRoutes.ts"

export const layer = Layer.mergeAll(
  FileRoutes.layer,
  ChatRoutes.layer,
  ModelRoutes.layer,
  HealthRoutes.layer,
  BatchRoutes.layer,
  FineTuningRoutes.layer,
  ResponseRoutes.layer,
  MessageRoutes.layer,
  ForwardRoutes.layer,
  UploadRoutes.layer,
  UsageRoutes.layer,
  MetricsRoutes.layer
)
