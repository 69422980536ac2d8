/**
 * Identifiers of OpenAI's look.
 */
import { randomBytes } from "node:crypto"

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/** A fresh identifier: the prefix and 24 random letters and digits. */
export const newId = (prefix: string): string =>
  prefix + Array.from(randomBytes(24), (byte) => alphabet.charAt(byte % alphabet.length)).join("")
