/** The writers of one process that are after the same key: one after the other, until one has it. */
import { KeyTaken } from "./Upload.ts"

interface Contest {
  writers: number
  published: boolean
  /** Done when the writer that is publishing has ended, one way or the other. */
  turn: Promise<unknown>
}

export interface Writer {
  /** Publishes when it is this writer's turn. Rejected with `KeyTaken` when another has published. */
  readonly once: (publish: () => Promise<void>) => Promise<void>
  readonly leave: () => void
}

export const make = () => {
  const contests = new Map<string, Contest>()
  return {
    enter: (key: string): Writer => {
      const contest = contests.get(key) ?? { writers: 0, published: false, turn: Promise.resolve() }
      contests.set(key, contest)
      contest.writers += 1
      return {
        once: (publish) => {
          const turn = contest.turn.then(async () => {
            if (contest.published) throw new KeyTaken(key)
            await publish()
            contest.published = true
          })
          contest.turn = turn.catch(() => {})
          return turn
        },
        leave: () => {
          contest.writers -= 1
          if (contest.writers === 0) contests.delete(key)
        }
      }
    }
  }
}
