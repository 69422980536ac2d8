/** What the lines of a batch's input say, as far as it matters later: read once, kept in the file's row. */
import * as Schema from "effect/Schema"

/** A text that occurs in the lines: where first, how often, and in how many bytes of JSON altogether. */
export class Mention extends Schema.Class<Mention>("Mention")({
  value: Schema.String,
  /** The number of the first line that has it, from 1. */
  line: Schema.Int,
  /** Where in that line. */
  path: Schema.String,
  count: Schema.Int,
  /** Of the JSON strings, their quotes included. */
  bytes: Schema.Int
}) {}

export class BatchSummary extends Schema.Class<BatchSummary>("BatchSummary")({
  /** Lines that are not blank. */
  requests: Schema.Int,
  /** The URLs of the requests. */
  urls: Schema.Array(Mention),
  models: Schema.Array(Mention),
  /** The file IDs that the lines name. */
  files: Schema.Array(Mention)
}) {}
