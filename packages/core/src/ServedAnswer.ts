/** The answer of a call that a deployment serves. */
import type { Deployment } from "./Account.ts"
import type { TransportResponse } from "./HttpTransport.ts"

export interface Served {
  readonly deployment: Deployment
  /** The provider's answer; its body is read by who asked. */
  readonly response: TransportResponse
  /** It was made here of what a provider said in another wire: the provider knows nothing of the IDs in it. */
  readonly translated?: true | undefined
  /** It has been given before: nothing was used for it this time. */
  readonly replayed?: true | undefined
}

export interface ServedAnswer<Tag extends string> extends Served {
  readonly _tag: Tag
}

/** The answer of a call that goes to where a job lies, whatever serves it there. */
export interface RelayedAnswer<Tag extends string> {
  readonly _tag: Tag
  readonly response: TransportResponse
}
