/** The section `retention` of a configuration: how long files are kept. */
import * as Schema from "effect/Schema"
import * as Field from "./Field.ts"

export const Retention = Schema.Struct({
  teams: Schema.Record(Schema.String, Field.retention)
})

/** By the name of the team, in milliseconds. */
export const toSettings = ({ teams }: (typeof Retention)["Type"]): ReadonlyMap<string, number> =>
  new Map(Object.entries(teams))
