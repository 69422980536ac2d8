/** "Did you mean": the known name nearest to a mistyped one. */

/** How alike two names must be to be taken for one another, in edits. */
const maxDistance = 3

const simplify = (name: string): string => name.toLowerCase().replaceAll(/[-_ ]/g, "")

/** How many letters must be added, dropped, replaced or swapped with the next to get from one to the other. */
const distance = (from: string, to: string): number => {
  const rows = [Array.from({ length: to.length + 1 }, (_, column) => column)]
  const edits = (row: number, column: number): number => rows[row]?.[column] ?? Infinity
  for (let row = 1; row <= from.length; row++) {
    rows.push([row])
    for (let column = 1; column <= to.length; column++) {
      const isSame = from[row - 1] === to[column - 1]
      const isSwapped = from[row - 2] === to[column - 1] && from[row - 1] === to[column - 2]
      const least = Math.min(
        edits(row - 1, column - 1) + (isSame ? 0 : 1),
        edits(row - 1, column) + 1,
        edits(row, column - 1) + 1,
        isSwapped ? edits(row - 2, column - 2) + 1 : Infinity
      )
      rows[row]?.push(least)
    }
  }
  return edits(from.length, to.length)
}

/** Undefined when no candidate is near enough. */
export const nearest = (name: string, candidates: ReadonlyArray<string>): string | undefined => {
  const given = simplify(name)
  const limit = Math.min(maxDistance, Math.max(1, Math.floor(given.length / 3)))
  return candidates
    .map((candidate) => ({ candidate, known: simplify(candidate) }))
    .filter(({ known }) => Math.abs(known.length - given.length) <= limit)
    .map(({ candidate, known }) => ({ candidate, edits: distance(given, known) }))
    .filter(({ edits }) => edits <= limit)
    .sort((a, b) => a.edits - b.edits)[0]?.candidate
}

const maxListed = 20

/** A clause for the end of a message: the nearest name, or else all of them. */
export const suggest = (name: string, candidates: ReadonlyArray<string>): string => {
  const near = nearest(name, candidates)
  if (near !== undefined) return `; did you mean ${near}?`
  const listed = candidates.slice(0, maxListed).join(", ")
  return listed === "" ? "" : `; known: ${listed}${candidates.length > maxListed ? ", …" : ""}`
}
