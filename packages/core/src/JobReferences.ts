/** The responses and containers that a body names, and what stands in their place on the way to a provider. */
import type { Call } from "./Hooks.ts"
import type { JobKind } from "./Job.ts"
import { findReplica } from "./ManagedFile.ts"
import type { FileReference } from "./ModelRequest.ts"
import type { Operation } from "./Operation.ts"

/** A response or a container in a body. */
export interface JobReference {
  readonly kind: Extract<JobKind, "response" | "container">
  readonly reference: FileReference
  /** It is only told of: the call need not go there. */
  readonly past?: true | undefined
}

const none: ReadonlyArray<never> = []

const container = (reference: FileReference): JobReference => ({ kind: "container", reference })
const pastContainer = (reference: FileReference): JobReference => ({ kind: "container", reference, past: true })

/** What a call goes on from. */
export const namedBy = (operation: Operation): ReadonlyArray<JobReference> => {
  switch (operation._tag) {
    case "CreateResponse":
    case "Forward": {
      const { containers, pastContainers, previous } = operation
      if (previous === null && containers.length === 0 && pastContainers.length === 0) return none
      return [
        ...(previous === null ? [] : [{ kind: "response", reference: previous } as const]),
        ...containers.map(container),
        ...pastContainers.map(pastContainer)
      ]
    }
    case "CreateMessage":
    case "CountTokens":
      return operation.containers.length === 0 ? none : operation.containers.map(container)
    default:
      return none
  }
}

/** What the client wrote, by the provider's own ID that stands in its place. */
export const placed = ({ edits, operation }: Call): ReadonlyMap<string, string> =>
  new Map(
    namedBy(operation).flatMap(({ reference }) => {
      const edit = edits.find(({ start }) => start === reference.start)
      return edit === undefined ? [] : [[edit.value, reference.id] as const]
    })
  )

/** All that the client named, files included, by what an account knows it as. */
export const knownTo = (call: Call, account: string): ReadonlyMap<string, string> => {
  const known = new Map(placed(call))
  for (const [id, file] of call.files) {
    const remoteId = findReplica(file, account)?.remoteId
    if (remoteId !== null && remoteId !== undefined) known.set(remoteId, id)
  }
  return known
}
