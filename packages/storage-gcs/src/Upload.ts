/** Writes one object: in one request when it is small, in a resumable session otherwise. */
import type { File } from "@google-cloud/storage"
import { randomUUID } from "node:crypto"
import * as GcsError from "./GcsError.ts"
import * as Session from "./Session.ts"

/** The metadata that tells which write made an object. */
const writeId = "omnifile-write"

/** The key holds the content of another write. */
export class KeyTaken extends Error {}

/** A write of one object that is not finished. */
export interface Upload {
  /** The object is there when this is fulfilled. Rejected with `KeyTaken`, or what the service answers. */
  readonly publish: () => Promise<void>
  /** Takes back what was uploaded, if the object was not published, or nobody can tell. */
  readonly discard: () => Promise<void>
}

/** What every object is made with. */
const settings = (id: string) => ({
  contentType: "application/octet-stream",
  metadata: { metadata: { [writeId]: id } },
  preconditionOpts: { ifGenerationMatch: 0 },
  validation: "crc32c" as const
})

/** Whether the object is the one that this write has made. */
const isOwn = async (file: File, id: string): Promise<boolean> => {
  try {
    const [{ metadata }] = await file.getMetadata()
    return metadata?.[writeId] === id
  } catch (cause) {
    if (GcsError.isMissing(cause)) return false
    throw cause
  }
}

/**
 * Sends what makes the object visible, unless another has the key. An answer that was lost makes the library send it
 * again, and the second answer may be that the key is taken: the object itself tells whose it is.
 */
const publishOnce = async (file: File, id: string, send: () => Promise<unknown>): Promise<void> => {
  try {
    await send()
  } catch (cause) {
    if (await isOwn(file, id).catch(() => false)) return
    throw GcsError.isTaken(cause) ? new KeyTaken(file.name, { cause }) : cause
  }
}

/** How a write stands: `uncertain` is one that is being published, or failed in a way that tells nothing. */
type State = "uploading" | "uncertain" | "published" | "refused"

/** Publishes, and keeps in mind what can be told of it. */
const makePublishing = (file: File, id: string) => {
  let state: State = "uploading"
  return {
    isPublished: () => state === "published",
    publish: async (send: () => Promise<unknown>): Promise<void> => {
      state = "uncertain"
      try {
        await publishOnce(file, id, send)
        state = "published"
      } catch (cause) {
        if (cause instanceof KeyTaken) state = "refused"
        throw cause
      }
    },
    /** Whoever was told that the write failed must never find its object. */
    takeBack: async (): Promise<void> => {
      if (state === "uncertain" && (await isOwn(file, id))) await file.delete({ ignoreNotFound: true })
    }
  }
}

/** The whole content in one request. */
const small = (file: File, id: string, body: Uint8Array): Upload => {
  const publishing = makePublishing(file, id)
  return {
    publish: () => publishing.publish(() => file.save(Buffer.from(body), { ...settings(id), resumable: false })),
    discard: publishing.takeBack
  }
}

/** A resumable session. It makes the object when it has the last chunk, which is not sent before `publish`. */
const large = async (
  file: File,
  id: string,
  parts: AsyncIterable<Uint8Array>,
  signal: AbortSignal
): Promise<Upload> => {
  const { metadata, preconditionOpts } = settings(id)
  const [address] = await file.createResumableUpload({ metadata, preconditionOpts })
  const session = Session.make(file, address, signal)
  const publishing = makePublishing(file, id)
  const discard = async (): Promise<void> => {
    if (publishing.isPublished()) return
    try {
      await session.end()
    } finally {
      await publishing.takeBack()
    }
  }
  let last: Uint8Array = new Uint8Array(0)
  try {
    let isFirst = true
    for await (const part of parts) {
      if (!isFirst) await session.send(last)
      isFirst = false
      last = part
    }
  } catch (cause) {
    await discard().catch(() => {})
    throw GcsError.isTaken(cause) ? new KeyTaken(file.name, { cause }) : cause
  }
  return {
    publish: () => publishing.publish(() => session.finish(last)),
    discard
  }
}

/** Sends the parts. What is rejected has left nothing, unless the service cannot be reached any more. */
export const start = async (
  file: File,
  parts: AsyncGenerator<Uint8Array, void, void>,
  signal: AbortSignal
): Promise<Upload> => {
  const id = randomUUID()
  try {
    const first = await parts.next()
    const second = first.done === true ? first : await parts.next()
    if (second.done === true) return small(file, id, first.value ?? new Uint8Array(0))
    const all = async function* () {
      if (first.done !== true) yield first.value
      yield second.value
      yield* parts
    }
    return await large(file, id, all(), signal)
  } catch (cause) {
    await parts.return()
    throw cause
  }
}
