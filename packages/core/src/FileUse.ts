/** How a call gets a file that it names: by the ID of a copy, or within the call. */
import type { Account } from "./Account.ts"
import * as Base64 from "./Base64.ts"
import { type FileUse, noFiles, ruleFor, type UseCapabilities } from "./FileCapabilities.ts"
import type { RoutedOperation } from "./Operation.ts"
import type { Provider } from "./Provider.ts"

export type Choice =
  | { readonly _tag: "Reference" }
  | { readonly _tag: "Inline" }
  /** Null: there is no copy, and none can be made. */
  | { readonly _tag: "CannotUse"; readonly reason: string | null }

/** A file for which it is decided. */
export interface Candidate {
  /** Without parameters. */
  readonly contentType: string
  readonly bytes: number
  /** Whether our own store has the bytes. */
  readonly kept: boolean
  /** Whether the account has a copy that can be used as it is. */
  readonly held: boolean
  /** Whether there is a copy, or one can be made. */
  readonly copyable: boolean
}

/** The kind of call, for the places of its body where files can be; null where only the ID of a copy can stand. */
export const of = (operation: RoutedOperation): FileUse | null => {
  switch (operation._tag) {
    case "ChatCompletion":
      return "chat"
    case "CreateResponse":
      return "responses"
    case "CreateMessage":
    case "CountTokens":
      return "messages"
    case "Forward":
    case "CreateBatch":
    case "CreateFineTuningJob":
      return null
  }
}

/** Whether the account's policy and its provider leave nothing to decide: every file goes by the ID of a copy. */
export const isPlain = ({ files, inlineBelow }: Account, provider: Provider, use: FileUse | null): boolean =>
  use === null ||
  (files !== "inline" &&
    inlineBelow === null &&
    provider.capabilities[use].reference.some(({ maxBytes, types }) => maxBytes === null && types.includes("*/*")))

const named: Readonly<Record<FileUse, string>> = {
  chat: "chat completions",
  responses: "responses",
  messages: "messages"
}

type Answer = { readonly able: true } | { readonly able: false; readonly reason: string | null }

const referable = ({ reference }: UseCapabilities, use: FileUse, file: Candidate): Answer => {
  const rule = ruleFor(reference, file.contentType)
  if (rule === undefined) {
    return { able: false, reason: `takes no ${file.contentType} by ID in ${named[use]}` }
  }
  if (rule.maxBytes !== null && file.bytes > rule.maxBytes) {
    return { able: false, reason: `takes at most ${rule.maxBytes} bytes of ${file.contentType} by ID in ${named[use]}` }
  }
  return file.copyable ? { able: true } : { able: false, reason: null }
}

const inlinable = ({ inline }: UseCapabilities, use: FileUse, file: Candidate): Answer => {
  const rule = ruleFor(inline, file.contentType)
  if (rule === undefined) return { able: false, reason: `takes no ${file.contentType} within ${named[use]}` }
  if (rule.maxBytes !== null && file.bytes > rule.maxBytes) {
    return { able: false, reason: `takes at most ${rule.maxBytes} bytes of ${file.contentType} within ${named[use]}` }
  }
  return file.kept ? { able: true } : { able: false, reason: "needs its content, which is not kept here" }
}

const choice = (answer: Answer, tag: "Inline" | "Reference"): Choice =>
  answer.able ? { _tag: tag } : { _tag: "CannotUse", reason: answer.reason }

/** What is done for one file. A copy that is there is used before anything else; where both are possible, an ID is. */
export const choose = (
  { files: policy, inlineBelow }: Account,
  { capabilities }: Provider,
  use: FileUse | null,
  file: Candidate
): Choice => {
  const able: UseCapabilities = use === null ? noFiles : capabilities[use]
  if (use === null) {
    return file.copyable ? { _tag: "Reference" } : { _tag: "CannotUse", reason: null }
  }
  if (policy === "inline") return choice(inlinable(able, use, file), "Inline")
  const reference = referable(able, use, file)
  if (policy === "reference") return choice(reference, "Reference")
  const inline = inlinable(able, use, file)
  const isSmall = inlineBelow !== null && file.bytes <= inlineBelow
  if (inline.able && (!reference.able || (isSmall && !file.held))) return { _tag: "Inline" }
  if (reference.able) return { _tag: "Reference" }
  // What is wrong with the content says more than that there is no copy.
  return { _tag: "CannotUse", reason: reference.reason === null ? null : inline.able ? null : inline.reason }
}

/** Why the request as a whole is too large for what is put within it; undefined if it is not. */
export const excess = (
  { capabilities }: Provider,
  use: FileUse,
  bodyLength: number,
  inlined: ReadonlyArray<number>
): string | undefined => {
  const { requestBytes } = capabilities[use]
  const length = inlined.reduce((sum, bytes) => sum + Base64.lengthOf(bytes), bodyLength)
  return requestBytes !== null && length > requestBytes
    ? `takes requests of at most ${requestBytes} bytes, and this one has ${length} with its files`
    : undefined
}
