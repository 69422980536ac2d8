/**
 * The batches of each account, whatever their API calls them. One goes a step on when the test says so, or when it has
 * been asked about often enough.
 */
import type { Account, StateKey } from "./Account.ts"
import { of } from "./Account.ts"
import type { ApiError } from "./Answer.ts"
import type { BatchControl, EmulatedBatch } from "./BatchControl.ts"
import type { Exchange } from "./Http.ts"

interface State<Batch> {
  /** Oldest first. */
  readonly batches: Array<Batch>
  /** How often each has been asked about. */
  readonly polls: Map<Batch, number>
  /** How often that is before it goes a step on; never by itself if it is infinite. */
  pollsPerStep: number
}

/** What each API does in its own way. */
export interface BatchKind<Batch> {
  /** As `id` in the paths of its routes. */
  readonly idOf: (batch: Batch) => string
  readonly unknown: (id: string) => ApiError
  readonly advance: (account: Account, batch: Batch) => void
  readonly describe: (batch: Batch) => EmulatedBatch
}

export interface KeptBatches<Batch> {
  /** Oldest first. */
  readonly all: (account: Account) => ReadonlyArray<Batch>
  readonly add: (account: Account, batch: Batch) => void
  readonly remove: (account: Account, batch: Batch) => void
  /** The one that the path names. */
  readonly requested: (exchange: Exchange) => Batch
  /** The same for who asks how far it is. */
  readonly polled: (exchange: Exchange) => Batch
  readonly control: BatchControl
}

export const make = <Batch>(kind: BatchKind<Batch>): KeptBatches<Batch> => {
  const key: StateKey<State<Batch>> = {
    symbol: Symbol("batches"),
    make: () => ({ batches: [], polls: new Map(), pollsPerStep: Infinity })
  }

  const requested = ({ account, params }: Exchange): Batch => {
    const id = params["id"] ?? ""
    const batch = of(account, key).batches.find((candidate) => kind.idOf(candidate) === id)
    if (batch === undefined) throw kind.unknown(id)
    return batch
  }

  return {
    all: (account) => of(account, key).batches,
    add: (account, batch) => void of(account, key).batches.push(batch),
    remove: (account, batch) => {
      const { batches } = of(account, key)
      batches.splice(batches.indexOf(batch), 1)
    },
    requested,
    polled: (exchange) => {
      const batch = requested(exchange)
      const { polls, pollsPerStep } = of(exchange.account, key)
      const count = (polls.get(batch) ?? 0) + 1
      polls.set(batch, count)
      if (count % pollsPerStep === 0) kind.advance(exchange.account, batch)
      return batch
    },
    control: {
      advance: (account) => {
        for (const batch of of(account, key).batches) kind.advance(account, batch)
      },
      all: (account) => of(account, key).batches.map(kind.describe),
      behave: (account, { pollsPerStep }) => {
        if (pollsPerStep !== undefined) of(account, key).pollsPerStep = pollsPerStep
      }
    }
  }
}
