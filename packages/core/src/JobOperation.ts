/** What the operations on jobs have in common. */
import type { JsonObject } from "./Json.ts"

/** An operation on one job. */
export interface NamesJob {
  /** The unified ID. */
  readonly id: string
}

/** A page of a list, newest first. */
export interface PageQuery {
  readonly limit: number
  /** The unified ID after which the page begins, or null for the first. */
  readonly after: string | null
}

/** An answer in the client's terms, ready to be written. */
export interface ObjectAnswer<Tag extends string> {
  readonly _tag: Tag
  readonly object: JsonObject
}

/** A page in the client's terms. */
export interface PageAnswer<Tag extends string> {
  readonly _tag: Tag
  readonly objects: ReadonlyArray<JsonObject>
  readonly hasMore: boolean
}
