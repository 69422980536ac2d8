/** Waiting for what will be true, without guessing when. */
import { setTimeout as pause } from "node:timers/promises"

export interface Patience {
  /** What is waited for, for the message of the failure. */
  readonly what: string
  /** Default 20: machines that run these tests can be busy. */
  readonly seconds?: number | undefined
  /** Between two questions. Default 20; more where an answer costs much. */
  readonly milliseconds?: number | undefined
}

/** Asks until the answer is neither false nor undefined, and answers it. Rejects when the time is over. */
export const eventually = async <A>(
  ask: () => A | false | undefined | Promise<A | false | undefined>,
  { milliseconds = 20, seconds = 20, what }: Patience
): Promise<A> => {
  const deadline = performance.now() + seconds * 1000
  for (;;) {
    const answer = await ask()
    if (answer !== false && answer !== undefined) return answer
    if (performance.now() > deadline) throw new Error(`in ${seconds} s it was not seen that ${what}`)
    await pause(milliseconds)
  }
}
