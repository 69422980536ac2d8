/** Who calls. */
import * as Schema from "effect/Schema"

/**
 * The identity behind an API key. Two keys of one user are the same user; a key that names a team but no
 * user is a service account of that team; a key with neither stands for itself.
 */
export class Principal extends Schema.Class<Principal>("Principal")({
  role: Schema.Literals(["admin", "user"]),
  user: Schema.NullOr(Schema.String),
  team: Schema.NullOr(Schema.String),
  /** A digest of the API key, never the key. Null where no key was involved, as in-process. */
  keyHash: Schema.NullOr(Schema.String),
  /** The model names that may be used; `*` stands for all. */
  models: Schema.Array(Schema.String)
}) {}

/** An in-process caller that may do everything. */
export const admin: Principal = new Principal({ role: "admin", user: null, team: null, keyHash: null, models: ["*"] })

export const mayUseModel = (principal: Principal, model: string): boolean =>
  principal.models.includes("*") || principal.models.includes(model)

/** Who calls, where the program has found it out by itself. */
export interface Caller {
  readonly user?: string | null | undefined
  readonly team?: string | null | undefined
  /** Default: `user`. */
  readonly role?: "admin" | "user" | undefined
  /** The model names that may be used. Default: all. */
  readonly models?: ReadonlyArray<string> | undefined
}

export const ofCaller = ({ models = ["*"], role = "user", team = null, user = null }: Caller): Principal =>
  new Principal({ role, user, team, keyHash: null, models: [...models] })
