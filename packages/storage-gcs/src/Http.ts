/**
 * Requests with content of any length. Google's library makes the small ones and finds the credentials; its streams do
 * not give up their connections when nobody reads on, and end the process when the last answer of an upload is lost.
 */
import { setTimeout } from "node:timers/promises"

/** An answer that is no success. */
export class HttpFailure extends Error {
  /** The status. */
  readonly code: number

  constructor(code: number) {
    super(`the service answered ${code}`)
    this.code = code
  }
}

const tries = 5

/** Milliseconds before the second try; it doubles with each. */
const firstDelay = 100

/** Whether another try may help: a busy service, or a connection that broke. */
const isPassing = (cause: unknown): boolean =>
  cause instanceof HttpFailure
    ? cause.code === 408 || cause.code === 429 || cause.code >= 500
    : cause instanceof TypeError

/** Runs what may be run again, until it succeeds or fails for good. `attempt` counts from 0. */
export const retrying = async <A>(signal: AbortSignal, run: (attempt: number) => Promise<A>): Promise<A> => {
  for (let attempt = 0; ; attempt++) {
    try {
      return await run(attempt)
    } catch (cause) {
      if (attempt + 1 >= tries || signal.aborted || !isPassing(cause)) throw cause
      await setTimeout(firstDelay * 2 ** attempt, undefined, { signal })
    }
  }
}

/** The answer of this status or another that is allowed; rejected with an `HttpFailure` otherwise. */
export const send = async (url: string, init: RequestInit, allowed: ReadonlyArray<number>): Promise<Response> => {
  const response = await fetch(url, { ...init, redirect: "manual" })
  if (allowed.includes(response.status)) return response
  await response.body?.cancel()
  throw new HttpFailure(response.status)
}
