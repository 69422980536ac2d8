/** What tests want to know of files and of a world. */
import { assert } from "@effect/vitest"
import { decode } from "./FakeProvider.ts"
import type { World } from "./World.ts"

/** The unified ID of a file that is there. */
export const idOf = (file: { readonly id: string | null } | undefined): string =>
  file?.id ?? assert.fail("the file has no ID")

/** The file IDs that an account was sent in its last chat. */
export const sentFiles = (world: World, account: string): ReadonlyArray<string> => {
  const body = decode(world.account(account).calls("chat").at(-1)?.body ?? new Uint8Array())
  return [...body.matchAll(/"file_id":"([^"]*)"/g)].flatMap(([, id]) => id ?? [])
}

/** The first copy in an account, as the provider calls it. */
export const copyIn = (world: World, account: string): string => {
  const [file] = world.account(account).files.values()
  return file?.id ?? assert.fail(`${account} has no file`)
}
