/** Work on very many pieces that are all there keeps everything else waiting: awaiting what is there already is no pause. */

/** Where there is `setImmediate`, as in Node.js, there is no pause for longer than there is something to do. */
const { setImmediate }: { readonly setImmediate?: (run: () => void) => unknown } = globalThis
const later = setImmediate ?? ((run: () => void): unknown => setTimeout(run, 0))

const nextTurn = (): Promise<void> => new Promise((resolve) => void later(resolve))

/** So many pieces are worked on at a stretch. */
const stretch = 16

/** A function that is called after each piece, and lets everything else that is due go first now and then. */
export const makeTurns = (): (() => Promise<void> | undefined) => {
  let pieces = 0
  return () => (++pieces % stretch === 0 ? nextTurn() : undefined)
}
