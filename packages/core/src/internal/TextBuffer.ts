/**
 * Text on its way to bytes, collected in one place that is used again: very many short texts would each take more memory
 * than they say, and be in the way for longer than they are needed.
 */

const decoder = new TextDecoder()
const encoder = new TextEncoder()

const smallest = 64 * 1024

/** What is kept of the place when it is empty. */
const largest = 4 * 1024 * 1024

export class TextBuffer {
  #bytes = new Uint8Array(smallest)
  #length = 0

  /** In bytes. */
  get length(): number {
    return this.#length
  }

  add(text: string): void {
    // No character takes more than three bytes for each of its units.
    const needed = this.#length + 3 * text.length
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length))
      larger.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = larger
    }
    this.#length += encoder.encodeInto(text, this.#bytes.subarray(this.#length)).written
  }

  /** The text between two offsets, which must not be within a character. */
  text(start: number, end: number): string {
    return decoder.decode(this.#bytes.subarray(start, end))
  }

  /** All that there is, or the first of it. */
  take(length: number = this.#length): Uint8Array {
    const taken = this.#bytes.slice(0, length)
    this.#bytes.copyWithin(0, length, this.#length)
    this.#length -= length
    if (this.#length === 0 && this.#bytes.length > largest) this.#bytes = new Uint8Array(smallest)
    return taken
  }
}
