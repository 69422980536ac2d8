/**
 * What differs between the emulated APIs: their routes, where they expect the key, and the shape of their errors.
 */
import type { IncomingHttpHeaders } from "node:http"
import type { ApiError } from "./Answer.ts"
import type { Refuse } from "./Faults.ts"
import type { Route } from "./Route.ts"

export interface Dialect {
  /** After the origin, in the base URL that clients are given. */
  readonly basePath: string
  readonly filePrefix: string
  readonly routes: ReadonlyArray<Route>
  readonly keyOf: (headers: IncomingHttpHeaders) => string | undefined
  readonly unauthorized: (headers: IncomingHttpHeaders) => ApiError
  readonly error: Refuse
  /** The headers of every answer. */
  readonly answerHeaders: () => Readonly<Record<string, string>>
}
