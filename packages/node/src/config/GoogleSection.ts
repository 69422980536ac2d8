/** As whom an account gets its tokens from Google. */
import * as Schema from "effect/Schema"
import { resolve } from "node:path"
import * as Field from "./Field.ts"

/** A field of an account. */
export const Google = Schema.Struct({
  key_file: Schema.optional(Field.name(4096))
})

export interface GoogleIdentity {
  /** Absolute. Undefined: what Google's library finds in its surroundings. */
  readonly keyFile: string | undefined
}

export const toIdentity = ({ key_file }: (typeof Google)["Type"] = {}, cwd: string): GoogleIdentity => ({
  keyFile: key_file === undefined ? undefined : resolve(cwd, key_file)
})
