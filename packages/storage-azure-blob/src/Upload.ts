/**
 * One blob that is to be written: in one request when it is small, in blocks otherwise.
 *
 * Blocks that are never committed are kept, and paid for, until the service drops them after a week. There is no
 * request that drops them at once, but a commit of no blocks does: so an empty blob is made, marked as nothing, and
 * removed again. Whoever meets it takes it for nothing.
 */
import type { BlockBlobClient } from "@azure/storage-blob"
import { KeyTaken, type NewObject } from "@omnifile/core/ObjectUpload"
import * as AzureError from "./AzureError.ts"

type Metadata = Readonly<Record<string, string>> | undefined

/** The metadata that tells which write made a blob. */
const writeId = "omnifilewrite"

/** The write that made a blob only to drop the blocks of its name. */
const nothing = "nothing"

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

/** The blob of this name, undefined if there is none. Rejected if that cannot be told. */
const look = async (blob: BlockBlobClient) => {
  try {
    return await blob.getProperties()
  } catch (cause) {
    if (AzureError.isMissing(cause)) return undefined
    throw cause
  }
}

/** Removes what is under the name and no content. False if there is content, which stays. */
const makeWay = async (blob: BlockBlobClient): Promise<boolean> => {
  const there = await look(blob)
  if (there !== undefined && !isNothing(there.metadata)) return false
  if (there?.etag === undefined) await dropBlocks(blob)
  else await removeVersion(blob, there.etag)
  return true
}

/**
 * Sends what makes the blob visible, unless another has the key. When that is refused though there is none, it was
 * marked as nothing a moment ago, or the service takes blocks that were never committed for one: so it is tried once
 * more.
 */
const publish = async (blob: BlockBlobClient, send: () => Promise<unknown>): Promise<void> => {
  const refused = (cause: unknown): unknown =>
    AzureError.isTaken(cause) || AzureError.areBlocksGone(cause) ? new KeyTaken(blob.name, { cause }) : cause
  try {
    await send()
  } catch (cause) {
    if (!AzureError.isTaken(cause) || !(await makeWay(blob))) throw refused(cause)
    await send().catch((again: unknown) => {
      throw refused(again)
    })
  }
}

/** Of one length for all blocks of a name, as the service demands, and different for each write. */
const blockIdOf = (mark: string, number: number): string =>
  Buffer.from(`${mark}.${String(number).padStart(5, "0")}`).toString("base64")

export const newObject = (blob: BlockBlobClient): NewObject => ({
  find: async () => {
    const there = await look(blob)
    if (there === undefined) return undefined
    return {
      mark: there.metadata?.[writeId],
      remove: async () => {
        if (there.etag !== undefined) await removeVersion(blob, there.etag)
      }
    }
  },
  put: (content, mark) =>
    publish(blob, () =>
      blob.upload(content, content.byteLength, { conditions: unlessExists, metadata: { [writeId]: mark } })
    ),
  begin: async (mark, signal) => {
    const staged: Array<string> = []
    return {
      send: (block, number) => {
        const blockId = blockIdOf(mark, number)
        staged.push(blockId)
        return blob.stageBlock(blockId, block, block.byteLength, { abortSignal: signal })
      },
      commit: () =>
        publish(blob, () => blob.commitBlockList(staged, { conditions: unlessExists, metadata: { [writeId]: mark } })),
      drop: () => dropBlocks(blob)
    }
  }
})
