/** How a test sees and steers the batches of an emulated API, whatever that API calls them. */
import type { Account } from "./Account.ts"

export interface EmulatedBatch {
  readonly id: string
  /** In the API's own words. */
  readonly status: string
  /** Null where requests come in the call itself. */
  readonly inputFileId: string | null
  readonly outputFileId: string | null
  readonly errorFileId: string | null
  readonly metadata: Readonly<Record<string, string>> | null
}

export interface BatchBehaviour {
  /** How often a batch is asked about before it goes a step on. Default: it waits for the test. */
  readonly pollsPerStep?: number | undefined
  /** Whether answers say what a completed batch has used. Default: yes. */
  readonly reportsUsage?: boolean | undefined
}

export interface BatchControl {
  /** Every batch of the account goes one step on. */
  readonly advance: (account: Account) => void
  /** The batches of the account, oldest first. */
  readonly all: (account: Account) => ReadonlyArray<EmulatedBatch>
  readonly behave: (account: Account, behaviour: BatchBehaviour) => void
}

/** For an API without batches. */
export const none: BatchControl = { advance: () => undefined, all: () => [], behave: () => undefined }
