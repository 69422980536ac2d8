/**
 * Routes as values. Each resource module lists its own; the server knows only the lists.
 */
import type { Answer } from "./Answer.ts"
import type { Exchange } from "./Http.ts"

/** The names by which faults and journal entries refer to routes. */
export type RouteName =
  | "files.create"
  | "files.upload"
  | "files.list"
  | "files.retrieve"
  | "files.content"
  | "files.delete"
  | "chat"
  | "responses.create"
  | "responses.retrieve"
  | "responses.delete"
  | "responses.cancel"
  | "responses.input_items"
  | "containers.files.retrieve"
  | "containers.files.content"
  | "forwarded"
  | "messages"
  | "messages.count_tokens"
  | "models.list"
  | "models.retrieve"
  | "batches.create"
  | "batches.list"
  | "batches.retrieve"
  | "batches.cancel"
  | "batches.delete"
  | "batches.results"
  | "generate"
  | "generate.stream"
  | "fine_tuning.create"
  | "fine_tuning.list"
  | "fine_tuning.retrieve"
  | "fine_tuning.cancel"
  | "fine_tuning.pause"
  | "fine_tuning.resume"
  | "fine_tuning.events"
  | "fine_tuning.checkpoints"
  | "uploads.create"
  | "uploads.parts.create"
  | "uploads.complete"
  | "uploads.cancel"

/** Performs the operation. Throws an `ApiError` to refuse it. */
export type Operation = () => Answer

export interface Route {
  readonly name: RouteName
  readonly method: "GET" | "POST" | "PUT" | "DELETE"
  /**
   * For example `/v1/files/:id`; a segment that starts with a colon is a parameter. `:id:cancel` is a parameter before
   * `:cancel`.
   */
  readonly path: string
  /** Tells it from another route of the same path. */
  readonly when?: ((query: URLSearchParams) => boolean) | undefined
  /**
   * Reads the whole request and journals what it holds, however wrong it is, and judges nothing: a fault may answer in
   * the operation's place, and then the journal still tells what had arrived.
   */
  readonly receive: (exchange: Exchange) => Promise<Operation>
}

export type Match =
  | { readonly _tag: "Found"; readonly route: Route; readonly params: Readonly<Record<string, string>> }
  | { readonly _tag: "WrongMethod" }
  | { readonly _tag: "Unknown" }

/** Finds the route of a request. */
export const match = (routes: ReadonlyArray<Route>, method: string, { pathname, searchParams }: URL): Match => {
  let pathKnown = false
  for (const route of routes) {
    const params = matchPath(route.path, pathname)
    if (params === undefined || route.when?.(searchParams) === false) continue
    if (route.method === method) return { _tag: "Found", route, params }
    pathKnown = true
  }
  return pathKnown ? { _tag: "WrongMethod" } : { _tag: "Unknown" }
}

const matchPath = (pattern: string, pathname: string): Record<string, string> | undefined => {
  const expected = pattern.split("/")
  const actual = pathname.split("/")
  if (expected.length !== actual.length) return undefined
  const params: Record<string, string> = {}
  for (const [index, segment] of expected.entries()) {
    const value = actual[index] ?? ""
    if (!segment.startsWith(":")) {
      if (segment !== value) return undefined
      continue
    }
    const [name = "", action] = segment.slice(1).split(":")
    const suffix = action === undefined ? "" : `:${action}`
    if (!value.endsWith(suffix) || value.length === suffix.length) return undefined
    try {
      params[name] = decodeURIComponent(value.slice(0, value.length - suffix.length))
    } catch {
      // A malformed escape names nothing.
      return undefined
    }
  }
  return params
}
