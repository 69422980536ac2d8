/** Figures as tables, for people and for documents. */

/** A figure that is held against the budget. */
export interface Verdict {
  readonly what: string
  readonly value: number
  readonly limit: number
  readonly direction: "at most" | "at least"
  readonly unit: Unit
}

type Unit = "x" | "us" | "ms" | "s" | "MB" | "MB/s"

export interface Row {
  readonly case: string
  readonly server: string
  /** By the key of the column. */
  readonly figures: Readonly<Record<string, number>>
  readonly verdicts?: ReadonlyArray<Verdict> | undefined
}

export interface Column {
  readonly key: string
  readonly label: string
  /** Decimals. */
  readonly digits: number
}

export interface Section {
  readonly title: string
  /** What the figures are and what they are compared with. */
  readonly note: string
  readonly columns: ReadonlyArray<Column>
  readonly rows: ReadonlyArray<Row>
}

const isMet = ({ direction, limit, value }: Verdict): boolean =>
  direction === "at most" ? value <= limit : value >= limit

const digitsOf: Readonly<Record<Unit, number>> = { x: 2, us: 1, ms: 2, s: 2, MB: 0, "MB/s": 0 }

const amount = (value: number, unit: Unit): string =>
  `${value.toFixed(digitsOf[unit])}${unit === "x" ? "x" : ` ${unit}`}`

const showVerdict = (verdict: Verdict): string => {
  const { direction, limit, unit, value, what } = verdict
  const outcome = isMet(verdict) ? "met" : "NOT MET"
  return `${outcome}: ${what} ${amount(value, unit)}, ${direction} ${amount(limit, unit)}`
}

const showNumber = (value: number | undefined, digits: number): string =>
  value === undefined || Number.isNaN(value)
    ? ""
    : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })

/** The cells of a section, header first. The budget is the last column, where there is one. */
const cellsOf = ({ columns, rows }: Section): ReadonlyArray<ReadonlyArray<string>> => {
  const hasBudget = rows.some(({ verdicts = [] }) => verdicts.length > 0)
  return [
    ["case", "server", ...columns.map(({ label }) => label), ...(hasBudget ? ["budget"] : [])],
    ...rows.map((row) => [
      row.case,
      row.server,
      ...columns.map(({ digits, key }) => showNumber(row.figures[key], digits)),
      ...(hasBudget ? [(row.verdicts ?? []).map(showVerdict).join("; ")] : [])
    ])
  ]
}

const isNumeric = (index: number, columns: ReadonlyArray<Column>): boolean => index >= 2 && index < 2 + columns.length

export const toText = (section: Section): string => {
  const cells = cellsOf(section)
  const widths = (cells[0] ?? []).map((_, index) => Math.max(...cells.map((row) => row[index]?.length ?? 0)))
  const lines = cells.map((row) =>
    row
      .map((cell, index) => {
        const width = widths[index] ?? 0
        return isNumeric(index, section.columns) ? cell.padStart(width) : cell.padEnd(width)
      })
      .join("  ")
      .trimEnd()
  )
  return `${section.title}\n${section.note}\n\n${lines.join("\n")}\n`
}

export const toMarkdown = (section: Section): string => {
  const [header = [], ...rows] = cellsOf(section)
  const rule = header.map((_, index) => (isNumeric(index, section.columns) ? "---:" : "---"))
  const lines = [header, rule, ...rows].map((row) => `| ${row.join(" | ")} |`)
  return `### ${section.title}\n\n${section.note}\n\n${lines.join("\n")}\n`
}

/** Every figure that is over its budget, and how many there are in all. */
export const summarise = (sections: ReadonlyArray<Section>): string => {
  const held = sections.flatMap(({ rows, title }) =>
    rows.flatMap(({ case: name, server, verdicts = [] }) =>
      verdicts.map((verdict) => ({
        text: `${title}, ${name}, ${server}: ${showVerdict(verdict)}`,
        met: isMet(verdict)
      }))
    )
  )
  const missed = held.filter(({ met }) => !met)
  return [`${held.length - missed.length} of ${held.length} budget lines met`, ...missed.map(({ text }) => `  ${text}`)]
    .join("\n")
    .concat("\n")
}
