/** Calls that a gateway passes on as they are: embeddings, moderations, audio, images. No route is there yet. */
import type { Route } from "./Route.ts"

export const routes: ReadonlyArray<Route> = []
