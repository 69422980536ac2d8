/** `/v1/fine_tuning/jobs`. No route is there yet. */
import type { Route } from "./Route.ts"

export const routes: ReadonlyArray<Route> = []
