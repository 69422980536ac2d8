/** What a job has used by the count of its output, for providers whose own object does not say. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Job } from "./Job.ts"
import { Jobs } from "./Jobs.ts"
import * as LineReader from "./LineReader.ts"
import { Upstream } from "./Upstream.ts"
import * as Usage from "./Usage.ts"
import type { Bytes } from "./Bytes.ts"

/** An output that takes longer to read is not counted. */
const patience = Duration.seconds(40)

/** A line of an output that is longer cannot be counted. */
const longestLine = 64 * 1024 * 1024

const sum = async (content: Bytes): Promise<Usage.Tokens | null> => {
  let total: Usage.Tokens | null = null
  for await (const { bytes } of LineReader.read(content, longestLine)) {
    const tokens = Usage.ofJson(bytes)
    if (tokens !== null) total = total === null ? tokens : Usage.add(total, tokens)
  }
  return total
}

export const make = Effect.gen(function* () {
  const jobs = yield* Jobs
  const upstream = yield* Upstream
  const scope = yield* Effect.scope
  const running = new Map<string, Fiber.Fiber<Usage.Tokens | null>>()

  const count = (job: Job, output: string) =>
    Effect.gen(function* () {
      const target = yield* jobs.target(job)
      const content = target.provider.files?.content?.(output)
      if (content === undefined) return null
      const { body } = yield* upstream.send(target, content)
      return yield* Effect.tryPromise(() => sum(body))
    }).pipe(
      Effect.scoped,
      Effect.timeout(patience),
      // The end of a job does not wait for a provider to give out what it has made.
      Effect.catch((error) => Effect.as(Effect.logWarning("The usage of a job could not be counted", error), null))
    )

  return {
    /** The tokens of an output, null if it counts none. Whoever asks at the same moment shares one reading of it. */
    of: Effect.fnUntraced(function* (job: Job, output: string) {
      const known = running.get(job.key)
      if (known !== undefined) return yield* Fiber.join(known)
      const started = yield* count(job, output).pipe(
        Effect.ensuring(Effect.sync(() => running.delete(job.key))),
        Effect.forkIn(scope)
      )
      // A fiber that ended at once has been taken from the map before it got there.
      if (started.pollUnsafe() === undefined) running.set(job.key, started)
      return yield* Fiber.join(started)
    })
  }
})
