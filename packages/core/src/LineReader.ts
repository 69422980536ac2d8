/** Lines of content that comes in chunks, in constant memory. */
import * as Bytes from "./Bytes.ts"

export interface Line {
  /** From 1; lines that are blank count too. */
  readonly number: number
  /** Without the line feed. */
  readonly bytes: Uint8Array
  /** Whether a line feed follows. */
  readonly terminated: boolean
}

/** A line that is longer than allowed. */
export class LineTooLong extends Error {
  readonly line: number

  constructor(line: number) {
    super(`Line ${line} is too long`)
    this.line = line
  }
}

const lineFeed = 0x0a

/**
 * The lines of some content; what follows the last line feed is a line if it is not empty. Throws {@link LineTooLong}
 * for a line of more than `longest` bytes, as soon as there are so many.
 */
export async function* read(content: Bytes.Bytes, longest: number): AsyncGenerator<Line, void, void> {
  let number = 1
  let open: Array<Uint8Array> = []
  let openLength = 0
  const lineOf = (last: Uint8Array): Uint8Array => {
    if (open.length === 0) return last
    const bytes = Bytes.concat([...open, last])
    open = []
    openLength = 0
    return bytes
  }
  for await (const chunk of content) {
    let start = 0
    for (;;) {
      const end = chunk.indexOf(lineFeed, start)
      const length = openLength + (end < 0 ? chunk.length : end) - start
      if (length > longest) throw new LineTooLong(number)
      if (end < 0) break
      yield { number, bytes: lineOf(chunk.subarray(start, end)), terminated: true }
      number++
      start = end + 1
    }
    if (start < chunk.length) {
      open.push(chunk.subarray(start))
      openLength += chunk.length - start
    }
  }
  if (openLength > 0) yield { number, bytes: lineOf(new Uint8Array(0)), terminated: false }
}

/** Whether a line has nothing but the white space of JSON. */
export const isBlank = (line: Uint8Array): boolean => {
  for (const byte of line) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false
  return true
}
