/** Amounts with a unit: sizes such as `512MB` and durations such as `30s`. */

const bytes = new Map<string, number>([
  ["", 1],
  ["b", 1],
  ...["k", "m", "g", "t"].flatMap((letter, index): ReadonlyArray<readonly [string, number]> => [
    [`${letter}b`, 1000 ** (index + 1)],
    [`${letter}ib`, 1024 ** (index + 1)]
  ])
])

const milliseconds = new Map([
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000]
])

const parse =
  (units: ReadonlyMap<string, number>) =>
  (input: unknown): number | undefined => {
    const match = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(String(input))
    const unit = units.get(match?.[2]?.toLowerCase() ?? "")
    const amount = Math.round(Number(match?.[1]) * (unit ?? Number.NaN))
    return Number.isSafeInteger(amount) ? amount : undefined
  }

/** Bytes, of a number or of text such as `512MB` (decimal) or `64MiB` (binary); undefined for everything else. */
export const parseSize = parse(bytes)

/** Milliseconds, of text such as `500ms`, `30s`, `5m`, `24h` or `7d`; undefined for everything else. */
export const parseDuration = parse(milliseconds)
