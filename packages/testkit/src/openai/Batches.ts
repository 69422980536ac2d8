/** `/v1/batches`. No route is there yet. */
import type { Route } from "./Route.ts"

export const routes: ReadonlyArray<Route> = []
