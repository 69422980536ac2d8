/**
 * Writes one object of a service such as S3: in one request when it is small, in parts otherwise. It is there whole or
 * not at all.
 *
 * An answer can be lost after the service has made the object. So a write leaves a mark in what it makes, by which it
 * knows its own object again: when its request, sent once more, is refused because the key is taken, and when it has to
 * take back what nobody may ever find.
 */

/** The key holds the content of another write, or a removal of the key has dropped the parts. */
export class KeyTaken extends Error {}

/** An object as its service shows it. */
export interface FoundObject {
  /** The mark that its write has left, if any. */
  readonly mark: string | undefined
  /** Removes this object. Fulfilled, too, when it is gone already. */
  readonly remove: () => Promise<unknown>
}

/** An object in parts that is not there yet. */
export interface ObjectParts {
  /** Sends a part; `number` counts from 0. Rejected with `KeyTaken` when the parts were dropped meanwhile. */
  readonly send: (part: Uint8Array, number: number) => Promise<unknown>
  /** Makes the object of all parts, unless there is one: then it is rejected with `KeyTaken`. */
  readonly commit: () => Promise<unknown>
  /** Drops the parts, none of which is on its way any more. Fulfilled, too, when they are gone already. */
  readonly drop: () => Promise<unknown>
}

/** What a write asks of the service, for one key. */
export interface NewObject {
  /** The object of this key; undefined if there is none. Rejected if that cannot be told. */
  readonly find: () => Promise<FoundObject | undefined>
  /** Makes the object in one request, unless there is one: then it is rejected with `KeyTaken`. */
  readonly put: (content: Uint8Array, mark: string) => Promise<unknown>
  /** Begins an object in parts. The signal ends what is sent before `commit`. */
  readonly begin: (mark: string, signal: AbortSignal) => Promise<ObjectParts>
}

/** A write of one object that is not finished. */
export interface Upload {
  /** The object is there when this is fulfilled. Rejected with `KeyTaken`, or what the service answers. */
  readonly publish: () => Promise<void>
  /** Takes back what was uploaded, if the object was not published, or nobody can tell. */
  readonly discard: () => Promise<void>
}

/** How a write stands: `uncertain` is one that is being published, or failed in a way that tells nothing. */
type State = "uploading" | "uncertain" | "published" | "refused"

/** Publishes, and keeps in mind what can be told of it. */
const makePublishing = (object: NewObject, mark: string) => {
  let state: State = "uploading"

  const send = async (run: () => Promise<unknown>): Promise<void> => {
    try {
      await run()
    } catch (cause) {
      const found = await object.find().catch((unseen: unknown) => {
        // It may be taken by this very write.
        throw cause instanceof KeyTaken ? unseen : cause
      })
      if (found?.mark !== mark) throw cause
    }
  }

  return {
    isPublished: () => state === "published",
    publish: async (run: () => Promise<unknown>): Promise<void> => {
      state = "uncertain"
      try {
        await send(run)
        state = "published"
      } catch (cause) {
        if (cause instanceof KeyTaken) state = "refused"
        throw cause
      }
    },
    /** Whoever was told that the write failed must never find its object. */
    takeBack: async (): Promise<void> => {
      if (state !== "uncertain") return
      const found = await object.find()
      if (found?.mark === mark) await found.remove()
    }
  }
}

/** The whole content in one request. */
const small = (object: NewObject, mark: string, content: Uint8Array): Upload => {
  const publishing = makePublishing(object, mark)
  return { publish: () => publishing.publish(() => object.put(content, mark)), discard: publishing.takeBack }
}

/** The parts are sent a few at a time, while the next one is read. */
const large = async (
  object: NewObject,
  mark: string,
  parts: AsyncIterable<Uint8Array>,
  concurrentParts: number,
  signal: AbortSignal
): Promise<Upload> => {
  const begun = await object.begin(mark, signal)
  const publishing = makePublishing(object, mark)
  const sending = new Set<Promise<unknown>>()
  const discard = async (): Promise<void> => {
    // A part that arrives later would stay.
    await Promise.allSettled(sending)
    if (publishing.isPublished()) return
    try {
      await begun.drop()
    } finally {
      await publishing.takeBack()
    }
  }
  try {
    let number = 0
    for await (const part of parts) {
      if (sending.size >= concurrentParts) await Promise.race(sending)
      const sent = begun.send(part, number)
      number += 1
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
  return { publish: () => publishing.publish(begun.commit), discard }
}

/**
 * Sends all parts but does not publish. What is rejected has left nothing, unless the service cannot be reached any
 * more. `mark` is one that no other write has; content of one part, or none, is not sent before `publish`.
 */
export const start = async (
  object: NewObject,
  mark: string,
  parts: AsyncGenerator<Uint8Array, void, void>,
  concurrentParts: number,
  signal: AbortSignal
): Promise<Upload> => {
  try {
    const first = await parts.next()
    const second = first.done === true ? first : await parts.next()
    if (second.done === true) return small(object, mark, first.value ?? new Uint8Array(0))
    const all = async function* () {
      if (first.done !== true) yield first.value
      yield second.value
      yield* parts
    }
    return await large(object, mark, all(), concurrentParts, signal)
  } catch (cause) {
    await parts.return()
    throw cause
  }
}
