/** Answered requests as metrics of this process: how many, and how long they took, by route. */
import * as Context from "effect/Context"
import { RouteContext } from "effect/http/HttpRouter"
import * as Metric from "effect/Metric"

export interface Answered {
  readonly method: string
  readonly status: number
  /** Until the head of the answer, in milliseconds. */
  readonly duration: number
}

/** Upper bounds in seconds. An answer of a model takes its time. */
const boundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]

const meters = (method: string, route: string, status: number) => ({
  requests: Metric.counter("omnifile_http_requests_total", {
    description: "Requests that have been answered",
    incremental: true,
    attributes: { method, route, status: String(status) }
  }),
  duration: Metric.histogram("omnifile_http_request_duration_seconds", {
    description: "Until the head of the answer",
    boundaries,
    attributes: { method, route }
  })
})

/** Makes a function that counts an answer to the request of the context, under the pattern of its route. */
export const make = (): ((context: Context.Context<never>, answered: Answered) => void) => {
  const known = new Map<string, ReturnType<typeof meters>>()
  return (context, { duration, method, status }) => {
    const route = Context.getOrUndefined(context, RouteContext)?.route.path ?? "other"
    const identity = `${method} ${route} ${status}`
    let found = known.get(identity)
    if (found === undefined) {
      found = meters(method, route, status)
      known.set(identity, found)
    }
    found.requests.updateUnsafe(1, context)
    found.duration.updateUnsafe(duration / 1_000, context)
  }
}
