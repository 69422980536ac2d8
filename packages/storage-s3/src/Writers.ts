/** The writers of one process that are after the same key: one after the other, until one has it. */
import { KeyTaken, type Upload } from "@omnifile/core/ObjectUpload"

interface Contest {
  writers: number
  published: boolean
  /** Done when the writer that is publishing has ended, one way or the other. */
  turn: Promise<unknown>
}

export const make = () => {
  const contests = new Map<string, Contest>()

  const enter = (key: string): Contest => {
    const contest = contests.get(key) ?? { writers: 0, published: false, turn: Promise.resolve() }
    contests.set(key, contest)
    contest.writers += 1
    return contest
  }

  const leave = (key: string, contest: Contest): void => {
    contest.writers -= 1
    if (contest.writers === 0) contests.delete(key)
  }

  return {
    /**
     * An upload that is published when it is its turn, and rejected with `KeyTaken` when another has published. It
     * stands in line from its start until it is discarded.
     */
    inTurn: async (key: string, start: () => Promise<Upload>): Promise<Upload> => {
      const contest = enter(key)
      try {
        const upload = await start()
        return {
          publish: () => {
            const turn = contest.turn.then(async () => {
              if (contest.published) throw new KeyTaken(key)
              await upload.publish()
              contest.published = true
            })
            contest.turn = turn.catch(() => {})
            return turn
          },
          discard: () => upload.discard().finally(() => leave(key, contest))
        }
      } catch (cause) {
        leave(key, contest)
        throw cause
      }
    }
  }
}
