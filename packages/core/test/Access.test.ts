import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Access from "../src/Access.ts"
import { Principal } from "../src/Principal.ts"
import * as callers from "./support/principals.ts"

/** Who may see what each owner made: the names of callers, and nobody else but admins. */
const matrix: ReadonlyArray<readonly [owner: keyof typeof owners, callers: ReadonlyArray<keyof typeof everyone>]> = [
  ["alice", ["alice", "aliceAgain", "aliceInRed"]],
  ["bob", ["bob"]],
  ["aliceInRed", ["alice", "aliceAgain", "aliceInRed", "carolInRed", "robotOfRed"]],
  ["carolInRed", ["aliceInRed", "carolInRed", "robotOfRed"]],
  ["daveInBlue", ["daveInBlue", "robotOfBlue"]],
  ["robotOfRed", ["aliceInRed", "carolInRed", "robotOfRed"]],
  ["robotOfBlue", ["daveInBlue", "robotOfBlue"]],
  ["lonelyKey", ["lonelyKey"]],
  ["otherKey", ["otherKey"]],
  ["admin", []],
  ["nobody", []]
]

const everyone = {
  alice: callers.alice,
  aliceAgain: callers.aliceAgain,
  bob: callers.bob,
  aliceInRed: callers.aliceInRed,
  carolInRed: callers.carolInRed,
  daveInBlue: callers.daveInBlue,
  robotOfRed: callers.robotOfRed,
  robotOfBlue: callers.robotOfBlue,
  lonelyKey: callers.lonelyKey,
  otherKey: callers.otherKey,
  nobody: callers.nobody
}

const owners = { ...everyone, admin: callers.admin }

const sharesScope = (principal: Principal, owner: Access.Owner): boolean => {
  const scopes = Access.scopesOfOwner(owner)
  return Access.scopesOfPrincipal(principal).some((scope) => scopes.includes(scope))
}

/** Few names, and some that look like the text of a scope, so that collisions would show. */
const name = fc.option(fc.constantFrom("a", "b", "", "*", "a?vision", "team:a", "user:a", "%61", "é", "a b"))

const principals = fc
  .record({ role: fc.constantFrom("admin" as const, "user" as const), user: name, team: name, keyHash: name })
  .map((fields) => new Principal({ ...fields, models: ["*"] }))

const ownersOf = fc.record({ user: name, team: name, keyHash: name }).map((fields) => new Access.Owner(fields))

describe("Access", () => {
  for (const [owner, allowed] of matrix) {
    it(`what ${owner} made is seen by ${allowed.join(", ") || "admins only"}`, () => {
      const seenBy = Object.entries(everyone).flatMap(([caller, principal]) =>
        Access.maySee(principal, Access.ownerOf(owners[owner])) ? [caller] : []
      )
      assert.deepStrictEqual(seenBy.sort(), [...allowed].sort())
      assert.isTrue(Access.maySee(callers.admin, Access.ownerOf(owners[owner])))
    })
  }

  it("the matrix covers every owner", () => {
    const covered = matrix.map(([owner]) => owner)
    assert.sameMembers(
      covered,
      Object.keys(owners).filter((owner) => owner !== "aliceAgain")
    )
  })

  it("a user in a team who makes something is its owner, and so is the team", () => {
    const owner = Access.ownerOf(callers.aliceInRed)
    assert.deepStrictEqual({ ...owner }, { user: "alice", team: "red", keyHash: "key-alice-red" })
  })

  it("nobody looks into no scope at all", () => {
    assert.deepStrictEqual(Access.scopesOfPrincipal(callers.nobody), [])
  })

  it("a look-up and the scopes of a list never disagree", () => {
    fc.assert(
      fc.property(principals, ownersOf, (principal, owner) => {
        assert.strictEqual(Access.maySee(principal, owner), sharesScope(principal, owner))
      }),
      { numRuns: 5_000, seed: 1 }
    )
  })

  it("neither do they for arbitrary names", () => {
    const any = fc.option(fc.string({ unit: "grapheme", maxLength: 3 }))
    const fields = fc.record({ user: any, team: any, keyHash: any })
    fc.assert(
      fc.property(fields, fields, (caller, made) => {
        const principal = new Principal({ ...caller, role: "user", models: [] })
        const owner = new Access.Owner(made)
        assert.strictEqual(Access.maySee(principal, owner), sharesScope(principal, owner))
      }),
      { seed: 2 }
    )
  })
})
