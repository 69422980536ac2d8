/**
 * How file content moves through omnifile: chunks of bytes, pulled by whoever needs them.
 *
 * Plain async iterables rather than Effect streams, because every byte of every upload and download passes
 * here: Node streams and web streams already are async iterables, so nothing is wrapped on the way. A
 * consumer that stops early ends the iteration, and with it the source.
 */

/**
 * Content in chunks of any size, empty ones included. It can be iterated once. Nobody changes a chunk that
 * was handed over.
 */
export type Bytes = AsyncIterable<Uint8Array>

/** A part of some content, in bytes. Without a length it reaches to the end. */
export interface ByteRange {
  readonly offset: number
  readonly length?: number | undefined
}

/** A part as somebody asks for it who does not know the size: between two offsets, both included, or the end. */
export type RangeRequest =
  | { readonly _tag: "Between"; readonly first: number; readonly last: number | null }
  | { readonly _tag: "Last"; readonly count: number }

export interface ResolvedRange {
  readonly offset: number
  readonly length: number
}

/** The part of so many bytes that is asked for, or null if there is none of it. */
export const resolveRange = (request: RangeRequest, size: number): ResolvedRange | null => {
  if (request._tag === "Last") {
    const length = Math.min(request.count, size)
    return length === 0 ? null : { offset: size - length, length }
  }
  const last = Math.min(request.last ?? size - 1, size - 1)
  return request.first > last ? null : { offset: request.first, length: last - request.first + 1 }
}

/** Content that is already in memory. Unlike other content it can be iterated again. */
export class InMemory implements AsyncIterable<Uint8Array> {
  readonly chunks: ReadonlyArray<Uint8Array>

  constructor(chunks: ReadonlyArray<Uint8Array>) {
    this.chunks = chunks
  }

  /** In bytes. */
  get length(): number {
    let length = 0
    for (const chunk of this.chunks) length += chunk.byteLength
    return length
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    yield* this.chunks
  }
}

export const fromArray = (...chunks: ReadonlyArray<Uint8Array>): InMemory => new InMemory(chunks)

/** Contents one after the other. Each is begun when the one before has ended. */
export const inSequence = (parts: ReadonlyArray<Bytes>): Bytes => ({
  async *[Symbol.asyncIterator]() {
    for (const part of parts) yield* part
  }
})

/** Content up to this length is joined where the last one was; in bytes. */
const scratchLength = 1024 * 1024

let scratch: Uint8Array | undefined

/**
 * What `read` makes of the content as one array, which is valid only until `read` returns: it is used again, since
 * new memory for each large body would cost more than reading it.
 */
export const readJoined = <A>({ chunks, length }: InMemory, read: (bytes: Uint8Array) => A): A => {
  const [only] = chunks
  if (only !== undefined && chunks.length === 1) return read(only)
  if (length > scratchLength) return read(concat(chunks))
  const place = scratch ?? new Uint8Array(scratchLength)
  // Not for a `read` that joins in its turn.
  scratch = undefined
  let offset = 0
  for (const chunk of chunks) {
    place.set(chunk, offset)
    offset += chunk.byteLength
  }
  try {
    return read(place.subarray(0, length))
  } finally {
    scratch = place
  }
}

/** Joins chunks into one array; a single chunk is returned as it is. */
export const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  if (chunks.length === 1 && chunks[0] !== undefined) return chunks[0]
  const whole = new Uint8Array(chunks.reduce((total, chunk) => total + chunk.byteLength, 0))
  let offset = 0
  for (const chunk of chunks) {
    whole.set(chunk, offset)
    offset += chunk.byteLength
  }
  return whole
}

/**
 * The same content, of which `look` sees every chunk first and may throw. Not a generator, which would keep who
 * ends the iteration waiting for a source that does not say anything.
 */
export const inspected = (source: Bytes, look: (chunk: Uint8Array) => void): Bytes => ({
  [Symbol.asyncIterator]: () => {
    const iterator = source[Symbol.asyncIterator]()
    const end = async (): Promise<IteratorResult<Uint8Array>> => {
      await iterator.return?.()
      return { done: true, value: undefined }
    }
    return {
      next: async () => {
        const next = await iterator.next()
        if (next.done === true) return next
        try {
          look(next.value)
        } catch (cause) {
          await end()
          throw cause
        }
        return next
      },
      return: end
    }
  }
})

/** The whole content in memory. The promise is rejected with what the source throws. */
export const collect = async (bytes: Bytes): Promise<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for await (const chunk of bytes) chunks.push(chunk)
  return concat(chunks)
}

/**
 * The same content until the signal, then at once the signal's reason as an error, even while the source
 * keeps a chunk waiting. The source is told to end and is not waited for.
 */
export const abortable = (bytes: Bytes, signal: AbortSignal): Bytes => ({
  async *[Symbol.asyncIterator]() {
    const iterator = bytes[Symbol.asyncIterator]()
    // A promise for each chunk: `Promise.race` against one that lasts would keep every chunk in memory.
    let rejectPending: (reason: unknown) => void = () => {}
    const onAbort = (): void => rejectPending(signal.reason)
    signal.addEventListener("abort", onAbort, { once: true })
    let ended = false
    try {
      for (;;) {
        signal.throwIfAborted()
        const next = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
          rejectPending = reject
          iterator.next().then(resolve, (cause) => {
            ended = true
            reject(cause)
          })
        })
        if (next.done === true) {
          ended = true
          return
        }
        yield next.value
      }
    } finally {
      signal.removeEventListener("abort", onAbort)
      if (!ended) void Promise.resolve(iterator.return?.()).catch(() => {})
    }
  }
})
