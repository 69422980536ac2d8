/** The newest file rows that this process has seen, the most recently used ones. */
import type { ManagedFile } from "./ManagedFile.ts"
import type { Invalidation } from "./RegistryBackend.ts"

interface Entry {
  readonly value: ManagedFile
  readonly version: number
}

const defaultCapacity = 20_000

export class FileCache {
  readonly #entries = new Map<string, Entry>()
  readonly #capacity: number
  #epoch = 0

  constructor(capacity: number = defaultCapacity) {
    this.#capacity = capacity
  }

  /** Changes whenever anything is dropped: what was read before that may be old by now. */
  get epoch(): number {
    return this.#epoch
  }

  get(key: string): Entry | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    return entry
  }

  /** Keeps what was read while the epoch was `epoch`, unless something has been dropped since. */
  offer(key: string, entry: Entry, epoch: number): void {
    if (epoch !== this.#epoch) return
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    if (this.#entries.size > this.#capacity) {
      const oldest = this.#entries.keys().next()
      if (oldest.done !== true) this.#entries.delete(oldest.value)
    }
  }

  drop(key: string): void {
    this.#epoch++
    this.#entries.delete(key)
  }

  invalidate(invalidation: Exclude<Invalidation, { readonly _tag: "Nothing" }>): void {
    this.#epoch++
    if (invalidation._tag === "Everything") this.#entries.clear()
    else for (const { collection, key } of invalidation.keys) if (collection === "files") this.#entries.delete(key)
  }
}
