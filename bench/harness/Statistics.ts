/** Medians: the rounds of a run differ by what else the machine does, and a median does not mind the worst. */

export const median = (samples: ReadonlyArray<number>): number => {
  const sorted = [...samples].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** The median of what a function makes of the two samples of each round. */
export const medianOfPairs = <A>(
  samples: ReadonlyArray<A>,
  references: ReadonlyArray<A>,
  compare: (sample: A, reference: A) => number
): number =>
  median(
    samples.flatMap((sample, round) => {
      const reference = references[round]
      return reference === undefined ? [] : [compare(sample, reference)]
    })
  )
