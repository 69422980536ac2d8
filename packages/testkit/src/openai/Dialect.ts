/**
 * What differs between the emulated APIs: their routes, where they expect the key, and the shape of their errors.
 */
import type { IncomingHttpHeaders } from "node:http"
import type { Account } from "./Account.ts"
import type { ApiError } from "./Answer.ts"
import type { BatchControl } from "./BatchControl.ts"
import type { Refuse } from "./Faults.ts"
import type { Route } from "./Route.ts"

/** What tells the account of a request. */
export interface Addressed {
  readonly headers: IncomingHttpHeaders
  readonly url: URL
}

export interface Dialect {
  /** After the origin, in the base URL that clients are given. */
  readonly basePath: string
  readonly newFileId: () => string
  readonly routes: ReadonlyArray<Route>
  /** Whose request it is: by its key, or by an address that was given to one account. */
  readonly accountOf: (request: Addressed, accounts: ReadonlyArray<Account>) => Account | undefined
  readonly unauthorized: (headers: IncomingHttpHeaders) => ApiError
  readonly error: Refuse
  /** The headers of every answer. */
  readonly answerHeaders: () => Readonly<Record<string, string>>
  readonly batches: BatchControl
}
