/** What a call or a job has used, as the provider reports it. */
import * as Schema from "effect/Schema"

export class Tokens extends Schema.Class<Tokens>("Tokens")({
  input: Schema.Int,
  /** Those of `input` that the provider had in its cache. */
  cachedInput: Schema.Int,
  output: Schema.Int
}) {}
