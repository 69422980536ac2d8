/** What is wrong with a configuration: all of it at once, and where. */
import * as Schema from "effect/Schema"

/** One thing to put right. No message contains a value of the configuration. */
export interface Problem extends Schema.Schema.Type<typeof Problem> {}

export const Problem = Schema.Struct({
  /** The file as it was named, or `environment`. */
  file: Schema.String,
  /** From 1; null where there is no line, as in the environment or a file that cannot be read. */
  line: Schema.NullOr(Schema.Int),
  /** From 1; null where there is no line. */
  column: Schema.NullOr(Schema.Int),
  /** Such as `accounts[0].api_key`, or an environment variable; null when it concerns no field. */
  field: Schema.NullOr(Schema.String),
  message: Schema.String
})

/** `file:line:column field: message`, without the parts that are null. */
export const render = ({ column, field, file, line, message }: Problem): string =>
  `${file}${line === null ? "" : `:${line}:${column}`}${field === null ? "" : ` ${field}`}: ${message}`

const byPosition = (a: Problem, b: Problem): number =>
  (a.line ?? Infinity) === (b.line ?? Infinity)
    ? (a.column ?? 0) - (b.column ?? 0)
    : (a.line ?? Infinity) - (b.line ?? Infinity)

/** The configuration cannot be used. Its message has one line for each problem. */
export class ConfigurationError extends Schema.TaggedError<ConfigurationError>()("ConfigurationError", {
  /** At least one, in the order of the file. */
  problems: Schema.Array(Problem)
}) {
  static of(problems: ReadonlyArray<Problem>): ConfigurationError {
    return new ConfigurationError({ problems: [...problems].sort(byPosition) })
  }

  override get message(): string {
    return this.problems.map(render).join("\n")
  }
}
