/** One object that is to be written: in one request when it is small, in a resumable session otherwise. */
import type { File } from "@google-cloud/storage"
import { KeyTaken, type NewObject } from "@omnifile/core/ObjectUpload"
import * as GcsError from "./GcsError.ts"
import * as Session from "./Session.ts"

/** The metadata that tells which write made an object. */
const writeId = "omnifile-write"

/** What every object is made with. */
const settings = (mark: string) => ({
  contentType: "application/octet-stream",
  metadata: { metadata: { [writeId]: mark } },
  preconditionOpts: { ifGenerationMatch: 0 },
  validation: "crc32c" as const
})

export const newObject = (file: File): NewObject => {
  const unlessTaken = async <A>(answer: Promise<A>): Promise<A> => {
    try {
      return await answer
    } catch (cause) {
      throw GcsError.isTaken(cause) ? new KeyTaken(file.name, { cause }) : cause
    }
  }
  return {
    find: async () => {
      try {
        const [{ metadata }] = await file.getMetadata()
        const mark = metadata?.[writeId]
        return {
          mark: typeof mark === "string" ? mark : undefined,
          remove: () => file.delete({ ignoreNotFound: true })
        }
      } catch (cause) {
        if (GcsError.isMissing(cause)) return undefined
        throw cause
      }
    },
    put: (content, mark) => unlessTaken(file.save(Buffer.from(content), { ...settings(mark), resumable: false })),
    // The session makes the object when it has the last chunk, which is held back until `commit`.
    begin: async (mark, signal) => {
      const { metadata, preconditionOpts } = settings(mark)
      const [address] = await unlessTaken(file.createResumableUpload({ metadata, preconditionOpts }))
      const session = Session.make(file, address, signal)
      let last: Uint8Array | undefined
      return {
        send: async (part) => {
          const ready = last
          last = part
          if (ready !== undefined) await unlessTaken(session.send(ready))
        },
        commit: () => unlessTaken(session.finish(last ?? new Uint8Array(0))),
        drop: session.end
      }
    }
  }
}
