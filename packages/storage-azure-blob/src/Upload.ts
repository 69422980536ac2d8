/**
 * Writes one blob: in one request when it is small, in blocks otherwise. It is there whole or not at all.
 *
 * Blocks that are never committed are kept, and paid for, until the service drops them after a week. There is no
 * request that drops them at once, but a commit of no blocks does: so an empty blob is made, marked as nothing, and
 * removed again. Whoever meets it takes it for nothing.
 */
import type { BlockBlobClient } from "@azure/storage-blob"
import { randomUUID } from "node:crypto"
import * as AzureError from "./AzureError.ts"

type Metadata = Readonly<Record<string, string>> | undefined

/** The metadata that tells which write made a blob. */
const writeId = "omnifilewrite"

/** The write that made a blob only to drop the blocks of its name. */
const nothing = "nothing"

/** The key holds the content of another write. */
export class KeyTaken extends Error {}

/** Whether the blob is no content. */
export const isNothing = (metadata: Metadata): boolean => metadata?.[writeId] === nothing

const unlessExists = { ifNoneMatch: "*" }

/** Drops blocks of the name that were not committed, those of all who are writing it. Content stays as it is. */
export const dropBlocks = async (blob: BlockBlobClient): Promise<void> => {
  const mark = await blob
    .commitBlockList([], { conditions: unlessExists, metadata: { [writeId]: nothing } })
    .catch((cause: unknown) => {
      if (!AzureError.isTaken(cause)) throw cause
      return undefined
    })
  if (mark?.etag !== undefined) await removeVersion(blob, mark.etag)
}

const removeVersion = async (blob: BlockBlobClient, ifMatch: string): Promise<void> => {
  await blob.delete({ conditions: { ifMatch } }).catch((cause: unknown) => {
    if (!AzureError.isMissing(cause) && !AzureError.isTaken(cause)) throw cause
  })
}

/** A write of one blob that is not finished. */
export interface Upload {
  /** The blob is there when this is fulfilled. Rejected with `KeyTaken`, or what the service answers. */
  readonly publish: () => Promise<void>
  /** Takes back what was uploaded, if the blob was not published, or nobody can tell. */
  readonly discard: () => Promise<void>
}

/** The blob of this name, undefined if there is none. Rejected if that cannot be told. */
const look = async (blob: BlockBlobClient) => {
  try {
    return await blob.getProperties()
  } catch (cause) {
    if (AzureError.isMissing(cause)) return undefined
    throw cause
  }
}

/**
 * Sends what makes the blob visible, unless another has the key. An answer that was lost makes the SDK send it again,
 * and the second answer is that the key is taken: the blob itself tells whose it is. When there is none, it was marked
 * as nothing a moment ago, or the service takes blocks that were never committed for one: so it is tried once more.
 */
const publishOnce = async (
  blob: BlockBlobClient,
  id: string,
  send: () => Promise<unknown>,
  isRepeated = false
): Promise<void> => {
  try {
    await send()
  } catch (cause) {
    const there = await look(blob).catch(() => {
      throw cause
    })
    if (there?.metadata?.[writeId] === id) return
    if (AzureError.areBlocksGone(cause)) throw new KeyTaken(blob.name, { cause })
    if (!AzureError.isTaken(cause)) throw cause
    if (isRepeated || (there !== undefined && !isNothing(there.metadata))) throw new KeyTaken(blob.name, { cause })
    if (there?.etag === undefined) await dropBlocks(blob)
    else await removeVersion(blob, there.etag)
    await publishOnce(blob, id, send, true)
  }
}

/** How a write stands: `uncertain` is one that is being published, or failed in a way that tells nothing. */
type State = "uploading" | "uncertain" | "published" | "refused"

/** Publishes, and keeps in mind what can be told of it. */
const makePublishing = (blob: BlockBlobClient, id: string) => {
  let state: State = "uploading"
  return {
    isPublished: () => state === "published",
    publish: async (send: () => Promise<unknown>): Promise<void> => {
      state = "uncertain"
      try {
        await publishOnce(blob, id, send)
        state = "published"
      } catch (cause) {
        if (cause instanceof KeyTaken) state = "refused"
        throw cause
      }
    },
    /** Whoever was told that the write failed must never find its blob. */
    takeBack: async (): Promise<void> => {
      if (state !== "uncertain") return
      const there = await look(blob)
      if (there?.etag !== undefined && there.metadata?.[writeId] === id) await removeVersion(blob, there.etag)
    }
  }
}

/** The whole content in one request. */
const small = (blob: BlockBlobClient, id: string, body: Uint8Array): Upload => {
  const publishing = makePublishing(blob, id)
  return {
    publish: () =>
      publishing.publish(() =>
        blob.upload(body, body.byteLength, { conditions: unlessExists, metadata: { [writeId]: id } })
      ),
    discard: publishing.takeBack
  }
}

/** Of one length for all blocks of a name, as the service demands, and different for each write. */
const blockIdOf = (id: string, number: number): string =>
  Buffer.from(`${id}.${String(number).padStart(5, "0")}`).toString("base64")

/** The blocks are sent a few at a time, while the next one is read. */
const large = async (
  blob: BlockBlobClient,
  id: string,
  blocks: AsyncIterable<Uint8Array>,
  concurrentBlocks: number,
  signal: AbortSignal
): Promise<Upload> => {
  const staged: Array<string> = []
  const sending = new Set<Promise<void>>()
  const publishing = makePublishing(blob, id)
  const discard = async (): Promise<void> => {
    // A block that arrives later would stay.
    await Promise.allSettled(sending)
    if (publishing.isPublished()) return
    try {
      await dropBlocks(blob)
    } finally {
      await publishing.takeBack()
    }
  }
  try {
    for await (const block of blocks) {
      const blockId = blockIdOf(id, staged.length)
      staged.push(blockId)
      if (sending.size >= concurrentBlocks) await Promise.race(sending)
      const sent = blob.stageBlock(blockId, block, block.byteLength, { abortSignal: signal }).then(() => {})
      sending.add(sent)
      // Those that fail stay: the next race, or the end, is rejected with their error.
      sent.then(
        () => sending.delete(sent),
        () => {}
      )
    }
    await Promise.all(sending)
  } catch (cause) {
    await discard().catch(() => {})
    throw cause
  }
  return {
    publish: () =>
      publishing.publish(() => blob.commitBlockList(staged, { conditions: unlessExists, metadata: { [writeId]: id } })),
    discard
  }
}

/** Sends the blocks. What is rejected has left nothing, unless the service cannot be reached any more. */
export const start = async (
  blob: BlockBlobClient,
  blocks: AsyncGenerator<Uint8Array, void, void>,
  concurrentBlocks: number,
  signal: AbortSignal
): Promise<Upload> => {
  const id = randomUUID()
  try {
    const first = await blocks.next()
    const second = first.done === true ? first : await blocks.next()
    if (second.done === true) return small(blob, id, first.value ?? new Uint8Array(0))
    const all = async function* () {
      if (first.done !== true) yield first.value
      yield second.value
      yield* blocks
    }
    return await large(blob, id, all(), concurrentBlocks, signal)
  } catch (cause) {
    await blocks.return()
    throw cause
  }
}
