import { assert } from "@effect/vitest"
import * as JsonScan from "../../src/JsonScan.ts"

/** UTF-8 of a text. */
export const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
export const decode = (bytes: Uint8Array): string =>
  new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)

export const scan = (text: string, patterns: Readonly<Record<string, string>> = { all: "**" }) =>
  JsonScan.scan(encode(text), JsonScan.compile(patterns))

/** The matches in a document that has to be valid. */
export const found = (bytes: Uint8Array, patterns: Readonly<Record<string, string>>) => {
  const result = JsonScan.scan(bytes, JsonScan.compile(patterns))
  if (result._tag === "Malformed") assert.fail(`${result.reason} at byte ${result.offset}: ${decode(bytes)}`)
  return result.matches
}
