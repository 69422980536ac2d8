/**
 * What files the calls of a provider may have, and how: by the ID of a copy, or within the call. Decisions and the
 * documentation read the same value.
 */

/** The kinds of calls that name files in their bodies. */
export const fileUses = ["chat", "responses", "messages"] as const
export type FileUse = (typeof fileUses)[number]

/** Content of some types, up to a size. */
export interface ContentRule {
  /** Media types, or families of them such as `image/*`. */
  readonly types: ReadonlyArray<string>
  /** The most bytes of one file, or null for no known limit. */
  readonly maxBytes: number | null
}

export interface UseCapabilities {
  /** What a call may name by the ID of a copy. */
  readonly reference: ReadonlyArray<ContentRule>
  /** What a call may have within it, in base64. */
  readonly inline: ReadonlyArray<ContentRule>
  /** The most bytes of a whole request, or null for no known limit. */
  readonly requestBytes: number | null
}

export type Capabilities = Readonly<Record<FileUse, UseCapabilities>>

/** No files at all. */
export const noFiles: UseCapabilities = { reference: [], inline: [], requestBytes: null }

/** Any file by the ID of a copy. */
export const anyReference: UseCapabilities = { ...noFiles, reference: [{ types: ["*/*"], maxBytes: null }] }

const all = (capabilities: UseCapabilities): Capabilities => ({
  chat: capabilities,
  responses: capabilities,
  messages: capabilities
})

export const none: Capabilities = all(noFiles)

export const byReference: Capabilities = all(anyReference)

const matches = (pattern: string, contentType: string): boolean =>
  pattern === "*/*" ||
  pattern === contentType ||
  (pattern.endsWith("/*") && contentType.startsWith(pattern.slice(0, -1)))

/** The rule for content of a media type, which has no parameters; undefined if there is none. */
export const ruleFor = (rules: ReadonlyArray<ContentRule>, contentType: string): ContentRule | undefined =>
  rules.find(({ types }) => types.some((pattern) => matches(pattern, contentType)))
