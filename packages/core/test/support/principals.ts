/** Callers of every kind. */
import { Principal } from "../../src/Principal.ts"

const principal = (
  role: "admin" | "user",
  user: string | null,
  team: string | null,
  keyHash: string | null,
  models: ReadonlyArray<string> = ["*"]
): Principal => new Principal({ role, user, team, keyHash, models: [...models] })

export const admin = principal("admin", null, null, "key-admin")
export const alice = principal("user", "alice", null, "key-alice")
/** Alice with another key. */
export const aliceAgain = principal("user", "alice", null, "key-alice-2")
export const bob = principal("user", "bob", null, "key-bob")
export const aliceInRed = principal("user", "alice", "red", "key-alice-red")
export const carolInRed = principal("user", "carol", "red", "key-carol")
export const daveInBlue = principal("user", "dave", "blue", "key-dave")
export const robotOfRed = principal("user", null, "red", "key-robot")
export const robotOfBlue = principal("user", null, "blue", "key-robot-blue")
export const lonelyKey = principal("user", null, null, "key-lonely")
export const otherKey = principal("user", null, null, "key-other")
/** Neither user nor team nor key. */
export const nobody = principal("user", null, null, null)

/** The same caller with other models. */
export const withModels = (caller: Principal, ...models: ReadonlyArray<string>): Principal =>
  new Principal({ ...caller, models: [...models] })
