/** Reading values of a configuration before they are decoded. */
import * as Redacted from "effect/Redacted"
import { fieldOf } from "./Source.ts"

export const textOf = (value: unknown): string | undefined => {
  const text = Redacted.isRedacted(value) ? Redacted.value(value) : value
  return typeof text === "string" ? text : undefined
}

export const textField = (value: unknown, field: string): string | undefined => textOf(fieldOf(value, field))

/** Whether a host name is one of this machine. */
export const isLoopback = (hostname: string): boolean =>
  hostname === "[::1]" || /^(.+\.)?localhost$/.test(hostname) || /^127(\.\d{1,3}){3}$/.test(hostname)
