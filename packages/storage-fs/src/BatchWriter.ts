/** Writes content to a file at the speed of the disk: few large writes, and the source is read meanwhile. */
import type { Bytes } from "@omnifile/core/Bytes"

/** What is needed of a `FileHandle`. */
export interface BatchFile {
  readonly writev: (buffers: ReadonlyArray<Uint8Array>) => Promise<{ readonly bytesWritten: number }>
  readonly datasync: () => Promise<void>
  readonly sync: () => Promise<void>
}

/** The file could not be written, as opposed to an error of the source. */
export class WriteFailure extends Error {
  constructor(cause: unknown) {
    super("the file could not be written", { cause })
  }
}

/** A batch is written as soon as it has this many bytes or chunks. Two of them are in memory at most. */
const batchBytes = 1024 * 1024
const batchChunks = 1024

/** After so many bytes they are forced to the disk while more come, so that little is left for the end. */
const syncBytes = 32 * 1024 * 1024

/** The chunks without their first `count` bytes. */
const skip = (chunks: ReadonlyArray<Uint8Array>, count: number): ReadonlyArray<Uint8Array> => {
  let skipped = 0
  for (const [index, chunk] of chunks.entries()) {
    if (skipped + chunk.byteLength > count) return [chunk.subarray(count - skipped), ...chunks.slice(index + 1)]
    skipped += chunk.byteLength
  }
  return []
}

/** Starts a step whose failure is seen by whoever awaits it, and by nobody if the source fails first. */
const start = (step: () => Promise<void>): Promise<void> => {
  const started = step().catch((cause: unknown) => {
    throw new WriteFailure(cause)
  })
  started.catch(() => {})
  return started
}

/** Rejected with what the source throws, unchanged, or with a `WriteFailure`. */
export const writeDurably = async (file: BatchFile, bytes: Bytes): Promise<void> => {
  const write = (batch: ReadonlyArray<Uint8Array>): Promise<void> =>
    start(async () => {
      // A write may stop half way, as when the disk is almost full; the next one then tells why.
      for (let rest = batch; rest.length > 0;) rest = skip(rest, (await file.writev(rest)).bytesWritten)
    })
  let writing = Promise.resolve()
  let syncing = Promise.resolve()
  let batch: Array<Uint8Array> = []
  let size = 0
  let unsynced = 0
  for await (const chunk of bytes) {
    if (chunk.byteLength === 0) continue
    batch.push(chunk)
    size += chunk.byteLength
    if (size < batchBytes && batch.length < batchChunks) continue
    await writing
    writing = write(batch)
    unsynced += size
    batch = []
    size = 0
    if (unsynced < syncBytes) continue
    await syncing
    syncing = start(() => file.datasync())
    unsynced = 0
  }
  await writing
  await write(batch)
  await syncing
  await start(() => file.sync())
}
