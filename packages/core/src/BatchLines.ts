/** One line of a batch's input: what omnifile reads of it. All else passes through unseen. */
import * as Result from "effect/Result"
import { batchEndpoints, type BatchEndpoint, isBatchEndpoint } from "./BatchEndpoints.ts"
import * as JsonScan from "./JsonScan.ts"
import * as ResponseRequest from "./ResponseRequest.ts"

/** A JSON string of a line: where it stands, in bytes, and what it says. */
export interface LineToken {
  readonly value: string
  readonly start: number
  readonly end: number
  /** Such as `body.model`. */
  readonly path: string
}

export interface BatchLine {
  readonly customId: string
  readonly url: BatchEndpoint
  /** Every place that says `model`; all say the same. */
  readonly models: readonly [LineToken, ...ReadonlyArray<LineToken>]
  readonly files: ReadonlyArray<LineToken>
}

/** Patterns of a body as patterns of a line, under names that say of which calls they are. */
const within = (kind: Called, patterns: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(patterns).map(([name, pattern]) => [`${kind} ${name}`, `body.${pattern}`]))

type Called = (typeof batchEndpoints)[BatchEndpoint]

const paths = JsonScan.compile<string>({
  customId: "custom_id",
  method: "method",
  url: "url",
  body: "body",
  model: "body.model",
  ...within("chat", { file: "messages.*.content.*.file.file_id" }),
  ...within("responses", ResponseRequest.patterns),
  ...within("media", {
    image: "image.file_id",
    images: "images.*.file_id",
    mask: "mask.file_id",
    reference: "input_reference.file_id"
  })
})

/** What a response can go on from, or look into, that is known to a provider's account and not to its users. */
const unowned: ReadonlySet<string> = new Set(
  ["previous", "container", "environment", "conversation", "stores"].map((name) => `responses ${name}`)
)

/** Containers that an answer which is fed back was made in: nothing is done with them. */
const told = "responses inputContainer"

const required = ["custom_id", "method", "url", "body", "body.model"] as const

/** The files that a call names, or why it cannot be part of a batch. */
const filesOf = (
  called: Called,
  matches: ReadonlyArray<JsonScan.Match<string>>,
  allowProviderIds: boolean
): Result.Result<ReadonlyArray<LineToken>, string> => {
  const files: Array<LineToken> = []
  for (const { end, kind, name, path, start, value } of matches) {
    if (kind === "null" || name === told || !name.startsWith(`${called} `)) continue
    if (unowned.has(name)) {
      // A container may be an object that is made for the call, with files of its own.
      const isNew = name === "responses container" && kind === "object"
      if (!allowProviderIds && !isNew) return Result.fail(`must not have \`${path}\` in a batch.`)
    } else if (ResponseRequest.isUsed(path)) {
      if (kind !== "string") return Result.fail(`has a \`${path}\` that is not a string.`)
      files.push({ value, start, end, path })
    }
  }
  return Result.succeed(files)
}

/** Whether well-formed JSON is an object. */
const startsWithBrace = (line: Uint8Array): boolean => line[line.findIndex((byte) => byte > 0x20)] === 0x7b

/**
 * Reads a line, or says what is wrong with it. `allowProviderIds` lets lines name what only a provider's account
 * knows.
 */
export const parse = (line: Uint8Array, allowProviderIds: boolean): Result.Result<BatchLine, string> => {
  const scanned = JsonScan.scan(line, paths)
  if (scanned._tag === "Malformed") {
    return Result.fail(`is not valid JSON: ${scanned.reason} at byte ${scanned.offset}.`)
  }
  if (!startsWithBrace(line)) return Result.fail("is not a JSON object.")
  let customId: string | undefined
  let url: string | undefined
  let method: string | undefined
  let hasBody = false
  const models: Array<LineToken> = []
  const references: Array<JsonScan.Match<string>> = []
  for (const match of scanned.matches) {
    const { end, kind, name, path, start, value } = match
    switch (name) {
      case "body":
        if (hasBody) return Result.fail("has two `body`.")
        if (kind !== "object") return Result.fail("has a `body` that is not an object.")
        hasBody = true
        break
      case "customId":
      case "method":
      case "url":
      case "model": {
        if (kind !== "string") return Result.fail(`has a \`${path}\` that is not a string.`)
        if (name === "model") {
          models.push({ value, start, end, path })
          break
        }
        const known = name === "customId" ? customId : name === "method" ? method : url
        // Readers of JSON differ in which of two they believe.
        if (known !== undefined) return Result.fail(`has two \`${path}\`.`)
        if (name === "customId") customId = value
        else if (name === "method") method = value
        else url = value
        break
      }
      default:
        references.push(match)
    }
  }
  const given = [customId, method, url, hasBody ? "" : undefined, models[0]?.value]
  const missing = required.find((_, index) => given[index] === undefined)
  const [model, ...others] = models
  if (missing !== undefined || customId === undefined || url === undefined || model === undefined) {
    return Result.fail(`has no \`${missing}\`.`)
  }
  if (customId === "") return Result.fail("has an empty `custom_id`.")
  if (method !== "POST") return Result.fail("has a `method` other than POST.")
  if (!isBatchEndpoint(url)) {
    return Result.fail(`has a \`url\` that cannot be called in a batch: ${url.slice(0, 100)}.`)
  }
  if (others.some(({ value }) => value !== model.value)) return Result.fail("has two different `body.model`.")
  return Result.map(filesOf(batchEndpoints[url], references, allowProviderIds), (files) => ({
    customId,
    url,
    models: [model, ...others] as const,
    files
  }))
}
