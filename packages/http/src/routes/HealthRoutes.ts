/** `/health/live` and `/health/ready`, for whoever starts and stops the process. They need no key. */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Dependencies from "../Dependencies.ts"

/** What is away and not needed makes the server worse, and no reason to send calls elsewhere. */
const statusOf = (answers: ReadonlyArray<Dependencies.Answer>): "ok" | "degraded" | "unavailable" => {
  const away = answers.filter(({ isThere }) => !isThere)
  if (away.some(({ isNeeded }) => isNeeded)) return "unavailable"
  return away.length > 0 ? "degraded" : "ok"
}

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const ask = yield* Dependencies.make

    yield* router.add("GET", "/health/live", HttpServerResponse.jsonUnsafe({ status: "ok" }))

    yield* router.add(
      "GET",
      "/health/ready",
      Effect.map(ask, (answers) => {
        const status = statusOf(answers)
        const each = answers.map(({ isThere, name }) => [name, isThere ? "ok" : "unavailable"] as const)
        return HttpServerResponse.jsonUnsafe(
          { status, ...Object.fromEntries(each) },
          { status: status === "unavailable" ? 503 : 200 }
        )
      })
    )
  })
)
