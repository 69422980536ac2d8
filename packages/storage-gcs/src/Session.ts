/** A resumable upload: chunks go one after the other, and the object is made of them with the last one. */
import type { File } from "@google-cloud/storage"
import * as Crc32c from "./Crc32c.ts"
import { HttpFailure, retrying, send } from "./Http.ts"

/** The service has taken something else than was sent. */
export class Damaged extends Error {}

export interface Session {
  /** Sends a chunk, of a multiple of 256 KiB. */
  readonly send: (chunk: Uint8Array) => Promise<void>
  /** Sends the last chunk, of any length. The object is there when this is fulfilled. */
  readonly finish: (chunk: Uint8Array) => Promise<void>
  /** Drops what was sent. */
  readonly end: () => Promise<void>
}

/** The service wants more. */
const incomplete = 308

/** How the service says that a session was ended. */
const ended = 499

interface Finished {
  readonly crc32c?: string
}

/** How much the service has, from an answer that it wants more. */
const offsetOf = (response: Response): number => {
  const [, last] = /^bytes=0-(\d+)$/.exec(response.headers.get("range") ?? "") ?? []
  return last === undefined ? 0 : Number(last) + 1
}

/** `address` is all that it takes to go on with the session. */
export const make = (file: File, address: string, signal: AbortSignal): Session => {
  let crc = 0
  let offset = 0

  /** Sends what the service does not have yet of a chunk; `total` is the length of the object, once it is known. */
  const put = async (chunk: Uint8Array, total: number | "*", signal: AbortSignal): Promise<Finished | undefined> => {
    const start = offset
    crc = Crc32c.update(crc, chunk)
    const answered = async (response: Response): Promise<Finished | undefined> => {
      if (response.status !== incomplete) return (await response.json()) as Finished
      offset = offsetOf(response)
      await response.body?.cancel()
      return undefined
    }
    const request = (range: string, body: Uint8Array): Promise<Finished | undefined> =>
      send(
        address,
        {
          method: "PUT",
          headers: {
            "content-range": `bytes ${range}/${total}`,
            ...(total === "*" ? {} : { "x-goog-hash": `crc32c=${Crc32c.toText(crc)}` })
          },
          body: Buffer.from(body),
          signal
        },
        [200, 201, incomplete]
      ).then(answered)
    return retrying(signal, async (attempt) => {
      if (attempt > 0) {
        const finished = await request("*", new Uint8Array(0))
        if (finished !== undefined) return finished
      }
      const rest = chunk.subarray(offset - start)
      const range = rest.byteLength === 0 ? "*" : `${offset}-${offset + rest.byteLength - 1}`
      const finished = await request(range, rest)
      // It may have kept a part of what was sent, and is to be sent the rest.
      if (finished === undefined && offset < start + chunk.byteLength) throw new HttpFailure(503)
      return finished
    })
  }

  return {
    send: async (chunk) => {
      await put(chunk, "*", signal)
    },
    finish: async (chunk) => {
      // Interrupted half way, nobody could tell whether the object is there.
      const object = await put(chunk, offset + chunk.byteLength, new AbortController().signal)
      if (object?.crc32c !== undefined && object.crc32c !== Crc32c.toText(crc)) {
        await file.delete({ ignoreNotFound: true })
        throw new Damaged("the service has taken something else than was sent")
      }
    },
    end: async () => {
      await send(address, { method: "DELETE" }, [ended, 200, 204, 404, 410])
    }
  }
}
