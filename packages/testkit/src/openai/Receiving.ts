/** How routes take their requests: what is wrong with a body is for the operation to say, when all of it is there. */
import type { Answer } from "./Answer.ts"
import type { Exchange } from "./Http.ts"
import { drain, readJson } from "./Http.ts"
import type { Route } from "./Route.ts"

/** A route whose request has no body worth reading. */
export const bodiless =
  (operation: (exchange: Exchange) => Answer): Route["receive"] =>
  async (exchange) => {
    await drain(exchange)
    return () => operation(exchange)
  }

/** A route whose request is JSON. `parse` gives what it is, or refuses it. */
export const withJson =
  (operation: (exchange: Exchange, parse: () => unknown) => Answer): Route["receive"] =>
  async (exchange) => {
    const parse = await readJson(exchange)
    return () => operation(exchange, parse)
  }
