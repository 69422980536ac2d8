/** One line of a batch's input: what omnifile reads of it. All else passes through unseen. */
import * as Result from "effect/Result"
import { batchEndpoints, type BatchEndpoint, isBatchEndpoint } from "./BatchEndpoints.ts"
import * as JsonScan from "./JsonScan.ts"

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

const paths = JsonScan.compile({
  customId: "custom_id",
  method: "method",
  url: "url",
  body: "body",
  model: "body.model",
  chat: "body.messages.*.content.*.file.file_id",
  input: "body.input.**.file_id",
  inputs: "body.input.**.file_ids.*",
  containerFile: "body.tools.*.container.file_ids.*",
  environmentFile: "body.tools.*.environment.file_ids.*",
  previous: "body.previous_response_id",
  conversation: "body.conversation",
  container: "body.tools.*.container",
  store: "body.tools.*.vector_store_ids.*"
})

/** What a response can go on from, or look into, that is known to a provider's account and not to its users. */
const unowned: ReadonlySet<string> = new Set(["previous", "conversation", "container", "store"])

const responseFiles: ReadonlySet<string> = new Set(["input", "inputs", "containerFile", "environmentFile"])

const required = ["custom_id", "method", "url", "body", "body.model"] as const

/** A string that is fed back from an earlier answer names what the model has seen, and is not looked up. */
const isAnnotation = (path: string): boolean => path.includes(".annotations[")

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
  const chatFiles: Array<LineToken> = []
  const inputFiles: Array<LineToken> = []
  for (const { end, kind, name, path, start, value } of scanned.matches) {
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
        if (kind === "null" || isAnnotation(path)) break
        if (unowned.has(name)) {
          if (kind === "string" && !allowProviderIds) return Result.fail(`must not have \`${path}\` in a batch.`)
          if (kind === "object" && name === "conversation" && !allowProviderIds) {
            return Result.fail(`must not have \`${path}\` in a batch.`)
          }
          break
        }
        if (kind !== "string") return Result.fail(`has a \`${path}\` that is not a string.`)
        ;(responseFiles.has(name) ? inputFiles : chatFiles).push({ value, start, end, path })
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
  const files = batchEndpoints[url] === "chat" ? chatFiles : batchEndpoints[url] === "responses" ? inputFiles : []
  return Result.succeed({ customId, url, models: [model, ...others], files })
}
