/** Chance that a seed repeats. */

export interface Random {
  /** At least 0 and below 1. */
  readonly next: () => number
  /** A whole number from `least` to `most`. */
  readonly between: (least: number, most: number) => number
  readonly bytes: (length: number) => Buffer
}

/** Mulberry32. */
export const make = (seed: number): Random => {
  let state = seed >>> 0
  const word = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  const next = (): number => word() / 2 ** 32
  return {
    next,
    between: (least, most) => least + Math.floor(next() * (most - least + 1)),
    bytes: (length) => {
      const words = Uint32Array.from({ length: Math.ceil(length / 4) }, word)
      return Buffer.from(words.buffer).subarray(0, length)
    }
  }
}
