/**
 * Who may see what, as one pure function over a matrix:
 *
 * | caller                    | sees                                     |
 * | ------------------------- | ---------------------------------------- |
 * | admin                     | everything                               |
 * | user without team         | what that user made                      |
 * | user in a team            | what that user made, and what the team has |
 * | team without user         | what the team has                        |
 * | key with neither          | what that key made                       |
 * | none of these             | nothing                                  |
 *
 * Null never equals null: what has no owner is visible to admins only. Lists use the same `scopes` inside
 * their query, so a list and a single look-up cannot disagree.
 */
import * as Schema from "effect/Schema"
import type { Principal } from "./Principal.ts"

/** Who made something. */
export class Owner extends Schema.Class<Owner>("Owner")({
  user: Schema.NullOr(Schema.String),
  team: Schema.NullOr(Schema.String),
  keyHash: Schema.NullOr(Schema.String)
}) {}

interface Names {
  readonly user: string | null
  readonly team: string | null
  readonly keyHash: string | null
}

/** A key's principal lives as long as the key, and every call asks for its owner. */
const owners = new WeakMap<Names, Owner>()

/** The owner of what a principal makes. */
export const ownerOf = (principal: Names): Owner => {
  const known = owners.get(principal)
  if (known !== undefined) return known
  const { keyHash, team, user } = principal
  const owner = new Owner({ user, team, keyHash })
  owners.set(principal, owner)
  return owner
}

/** A name under which things are owned, such as `user:alice`. Printable ASCII. */
export type Scope = string

/** The scope that holds everything. */
export const everything: Scope = "*"

/** A user and a team take precedence: the key itself counts only where it has neither. */
const scopesOfNames = ({ keyHash, team, user }: Names): ReadonlyArray<Scope> => {
  const scopes: Array<Scope> = []
  if (user !== null) scopes.push(`user:${encodeURIComponent(user)}`)
  if (team !== null) scopes.push(`team:${encodeURIComponent(team)}`)
  if (scopes.length === 0 && keyHash !== null) scopes.push(`key:${keyHash}`)
  return scopes
}

/** The scopes under which something of this owner is found. */
export const scopesOfOwner = (owner: Owner): ReadonlyArray<Scope> => [everything, ...scopesOfNames(owner)]

/** The scopes that a principal may look into. None at all: it sees nothing, and no query is needed. */
export const scopesOfPrincipal = (principal: Principal): ReadonlyArray<Scope> =>
  principal.role === "admin" ? [everything] : scopesOfNames(principal)

/** Whether the principal may see, use and delete what belongs to the owner. */
export const maySee = (principal: Principal, owner: Owner): boolean =>
  principal.role === "admin" ||
  (principal.user !== null && principal.user === owner.user) ||
  (principal.team !== null && principal.team === owner.team) ||
  (principal.user === null &&
    principal.team === null &&
    principal.keyHash !== null &&
    owner.user === null &&
    owner.team === null &&
    principal.keyHash === owner.keyHash)
