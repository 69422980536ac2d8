/** "Did you mean": the known name nearest to a mistyped one. */

/** How alike two names must be to be taken for one another, in edits. */
const maxDistance = 3

const simplify = (name: string): string => name.toLowerCase().replaceAll(/[-_ ]/g, "")

/** How many letters must be added, dropped or replaced to get from one to the other. */
const distance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [index, letter] of [...from].entries()) {
    const next = [index + 1]
    for (let column = 1; column < row.length; column++) {
      const replaced = (row[column - 1] ?? 0) + (letter === to[column - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}

/** Undefined when no candidate is near enough. */
export const nearest = (name: string, candidates: ReadonlyArray<string>): string | undefined => {
  const given = simplify(name)
  const limit = Math.min(maxDistance, Math.ceil(given.length / 3))
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
