/**
 * A bounded synchronous map that forgets the least recently used entry: a `Map` iterates in insertion order, so an
 * entry that is read is inserted again.
 */
export class LruCache<Value> {
  readonly #entries = new Map<string, { readonly key: string; readonly value: Value }>()
  readonly #capacity: number

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get(key: string): Value | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    // Under the key that was stored, not an equal one that may be a slice of a large string and keep it alive.
    this.#entries.set(entry.key, entry)
    return entry.value
  }

  set(key: string, value: Value): void {
    this.#entries.delete(key)
    this.#entries.set(key, { key, value })
    if (this.#entries.size <= this.#capacity) return
    const oldest = this.#entries.keys().next()
    if (!oldest.done) this.#entries.delete(oldest.value)
  }
}
