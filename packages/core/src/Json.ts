/** JSON values, for the bodies that are read as a whole: those that are small, and whose unknown fields survive. */

export type Json = string | number | boolean | null | ReadonlyArray<Json> | JsonObject

export interface JsonObject {
  readonly [key: string]: Json | undefined
}

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The object that a text is; undefined for any other JSON and for what is none. */
export const parseObject = (text: string): JsonObject | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** The text that a field holds, or null for anything else. */
export const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null)
