/** Names of resources, and the versions of the API. */
import { randomBytes } from "node:crypto"
import type { Exchange } from "../openai/Http.ts"
import type { Route } from "../openai/Route.ts"

const alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"

/** A fresh name in a collection, such as `files/k3v0c8bq2x1z`. */
export const newName = (collection: string): string =>
  `${collection}/${Array.from(randomBytes(12), (byte) => alphabet.charAt(byte % alphabet.length)).join("")}`

/** The same routes under each version of the API. */
export const versioned = (routes: ReadonlyArray<Route>, prefix = ""): ReadonlyArray<Route> =>
  ["v1beta", "v1"].flatMap((version) =>
    routes.map((route) => ({ ...route, path: `${prefix}/${version}${route.path}` }))
  )

/** The address by which the client reached the emulator. */
export const originOf = ({ request }: Exchange): string => `http://${request.headers.host ?? "127.0.0.1"}`

/** Times as the API writes them. */
export const time = (milliseconds: number): string => new Date(milliseconds).toISOString()
