/** `/v1/responses`, and the files of containers. No route is there yet. */
import type { Route } from "./Route.ts"

export const routes: ReadonlyArray<Route> = []
