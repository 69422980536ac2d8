/**
 * Batches: `models/{model}:batchGenerateContent` makes one, of a file of lines or of requests in the call, and
 * `batches/{id}` tells how far it is. Counts are strings, and what is zero or empty is left out.
 */
import type { Account } from "../openai/Account.ts"
import * as Answer from "../openai/Answer.ts"
import { ApiError } from "../openai/Answer.ts"
import { isRecord } from "../openai/Chat.ts"
import type { JsonRecord } from "../openai/Directions.ts"
import * as KeptBatches from "../openai/KeptBatches.ts"
import * as MadeContent from "../openai/MadeContent.ts"
import { bodiless, withJson } from "../openai/Receiving.ts"
import type { Route } from "../openai/Route.ts"
import { errorBody } from "./Error.ts"
import { existing, generated } from "./Files.ts"
import * as Generate from "./Generate.ts"
import { newName, time, versioned } from "./Names.ts"

type Status = "PENDING" | "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED" | "EXPIRED"

interface Line {
  readonly key: string | undefined
  readonly request: unknown
}

type Outcome = { readonly response: JsonRecord } | { readonly error: JsonRecord }

interface Batch {
  readonly name: string
  readonly model: string
  readonly displayName: string
  readonly inputFile: string | null
  /** The requests that came in the call. */
  readonly requests: ReadonlyArray<Line> | undefined
  readonly createdAt: number
  status: Status
  lines: ReadonlyArray<Line>
  results: ReadonlyArray<Outcome>
  outputFile: string | null
  problem: string | undefined
  endedAt: number | null
}

const mostInlineBytes = 20 * 1024 * 1024
const lifeMs = 48 * 3600 * 1000

const nonZero = (counts: Readonly<Record<string, number>>): JsonRecord =>
  Object.fromEntries(Object.entries(counts).flatMap(([name, count]) => (count === 0 ? [] : [[name, String(count)]])))

const outputOf = ({ inputFile, lines, outputFile, results }: Batch): JsonRecord =>
  inputFile === null
    ? {
        inlinedResponses: {
          inlinedResponses: results.map((result, index) => ({
            ...result,
            ...(lines[index]?.key === undefined ? {} : { metadata: { key: lines[index].key } })
          }))
        }
      }
    : { responsesFile: outputFile }

const toOperation = (batch: Batch): JsonRecord => {
  const succeeded = batch.results.filter((result) => "response" in result).length
  const failed = batch.results.length - succeeded
  const isOver = batch.endedAt !== null
  const output = batch.status === "SUCCEEDED" ? outputOf(batch) : undefined
  const type = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch"
  const updated = time(batch.endedAt ?? batch.createdAt)
  return {
    name: batch.name,
    metadata: {
      "@type": type,
      model: `models/${batch.model}`,
      displayName: batch.displayName,
      ...(batch.inputFile === null ? {} : { inputConfig: { fileName: batch.inputFile } }),
      ...(output === undefined ? {} : { output }),
      createTime: time(batch.createdAt),
      ...(batch.endedAt === null ? {} : { endTime: updated }),
      updateTime: updated,
      batchStats: nonZero({
        requestCount: batch.lines.length,
        successfulRequestCount: succeeded,
        failedRequestCount: failed,
        pendingRequestCount: isOver ? 0 : batch.lines.length
      }),
      state: `BATCH_STATE_${batch.status}`,
      name: batch.name
    },
    ...(isOver ? { done: true } : {}),
    ...(batch.problem === undefined ? {} : { error: { code: 3, message: batch.problem } }),
    ...(output === undefined
      ? {}
      : { response: { "@type": type.replace("GenerateContentBatch", "GenerateContentBatchOutput"), ...output } })
  }
}

const end = (account: Account, batch: Batch, status: Status): void => {
  batch.status = status
  batch.endedAt = account.now()
}

const linesOf = (account: Account, { inputFile, requests }: Batch): ReadonlyArray<Line> => {
  if (inputFile === null) return requests ?? []
  const text = Buffer.from(account.files.get(inputFile)?.content ?? []).toString("utf8")
  return text.split("\n").flatMap((line) => {
    if (line.trim() === "") return []
    const value: unknown = JSON.parse(line)
    if (!isRecord(value) || !isRecord(value["request"])) throw new SyntaxError("a line is no request")
    return [{ key: typeof value["key"] === "string" ? value["key"] : undefined, request: value["request"] }]
  })
}

const run = (account: Account, batch: Batch): void => {
  batch.results = batch.lines.map(({ request }) => {
    try {
      return { response: Generate.answerOf(account, batch.model, request) }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      return { error: errorBody(error) }
    }
  })
  if (batch.inputFile === null) return
  const content = MadeContent.jsonLines(
    batch.results.map((result, index) => {
      const name = batch.lines[index]?.key
      return { ...(name === undefined ? {} : { key: name }), ...result }
    })
  )
  batch.outputFile = account.files.add({
    id: newName("files").replace("files/", "files/batch-"),
    filename: "",
    contentType: "application/jsonl",
    purpose: generated,
    ...MadeContent.fieldsOf(content),
    livesSeconds: undefined,
    made: true
  }).id
}

const advanceOne = (account: Account, batch: Batch): void => {
  if (batch.endedAt !== null) return
  if (account.now() >= batch.createdAt + lifeMs) return end(account, batch, "EXPIRED")
  if (batch.status === "RUNNING") {
    run(account, batch)
    return end(account, batch, "SUCCEEDED")
  }
  try {
    batch.lines = linesOf(account, batch)
    batch.status = "RUNNING"
  } catch {
    batch.problem = "The input file has a line that is not a request."
    end(account, batch, "FAILED")
  }
}

const kept = KeptBatches.make<Batch>({
  idOf: ({ name }) => name.replace("batches/", ""),
  unknown: (id) => new ApiError(404, `The Batch batches/${id} does not exist.`),
  advance: advanceOne,
  describe: ({ displayName, inputFile, name, outputFile, status }) => ({
    id: name,
    status: `BATCH_STATE_${status}`,
    inputFileId: inputFile,
    outputFileId: outputFile,
    errorFileId: null,
    metadata: { displayName }
  })
})

export const { control } = kept

const inputOf = (account: Account, config: unknown): Pick<Batch, "inputFile" | "requests"> => {
  if (!isRecord(config)) throw new ApiError(400, "batch.input_config is required.")
  const file = config["fileName"] ?? config["file_name"]
  if (typeof file === "string") {
    const { state } = existing(account, file)
    if (state !== "ready") {
      throw new ApiError(400, `The File ${file} is not in an ACTIVE state.`, { code: "FAILED_PRECONDITION" })
    }
    return { inputFile: file, requests: undefined }
  }
  const requests = isRecord(config["requests"]) ? config["requests"]["requests"] : undefined
  if (!Array.isArray(requests) || requests.length === 0) throw new ApiError(400, "batch.input_config has no requests.")
  return {
    inputFile: null,
    requests: requests.filter(isRecord).map(({ metadata, request }) => {
      const name = isRecord(metadata) ? metadata["key"] : undefined
      return { key: typeof name === "string" ? name : undefined, request }
    })
  }
}

const create: Route = {
  name: "batches.create",
  method: "POST",
  path: "/models/:model:batchGenerateContent",
  receive: withJson((exchange, parse) => {
    const { account, entry, params } = exchange
    const body = parse()
    const wanted = isRecord(body) ? body["batch"] : undefined
    if (!isRecord(wanted)) throw new ApiError(400, "batch is required.")
    const displayName = wanted["displayName"] ?? wanted["display_name"]
    if (typeof displayName !== "string") throw new ApiError(400, "batch.display_name is required.")
    const input = inputOf(account, wanted["inputConfig"] ?? wanted["input_config"])
    if (input.inputFile === null && entry.bytes > mostInlineBytes) {
      throw new ApiError(400, "Requests in the call may have 20 MB; give a file for more.")
    }
    const model = params["model"] ?? ""
    if (account.models !== undefined && !account.models.includes(model)) {
      throw new ApiError(404, `models/${model} is not found.`)
    }
    const batch: Batch = {
      ...input,
      name: newName("batches"),
      model,
      displayName,
      createdAt: account.now(),
      status: "PENDING",
      lines: input.requests ?? [],
      results: [],
      outputFile: null,
      problem: undefined,
      endedAt: null
    }
    kept.add(account, batch)
    return Answer.json(200, toOperation(batch))
  })
}

const retrieve: Route = {
  name: "batches.retrieve",
  method: "GET",
  path: "/batches/:id",
  receive: bodiless((exchange) => Answer.json(200, toOperation(kept.polled(exchange))))
}

const list: Route = {
  name: "batches.list",
  method: "GET",
  path: "/batches",
  receive: bodiless(({ account, query }) => {
    const newest = kept.all(account).toReversed()
    const size = Number(query.get("pageSize") ?? "10")
    const start = newest.findIndex(({ name }) => name === query.get("pageToken")) + 1
    const page = newest.slice(start, start + size)
    return Answer.json(200, {
      ...(page.length === 0 ? {} : { operations: page.map(toOperation) }),
      ...(newest.length > start + size ? { nextPageToken: page.at(-1)?.name } : {})
    })
  })
}

const cancel: Route = {
  name: "batches.cancel",
  method: "POST",
  path: "/batches/:id:cancel",
  receive: bodiless((exchange) => {
    const batch = kept.requested(exchange)
    if (batch.endedAt !== null) {
      throw new ApiError(400, `The Batch ${batch.name} has ended.`, { code: "FAILED_PRECONDITION" })
    }
    end(exchange.account, batch, "CANCELLED")
    return Answer.json(200, {})
  })
}

const remove: Route = {
  name: "batches.delete",
  method: "DELETE",
  path: "/batches/:id",
  receive: bodiless((exchange) => {
    kept.remove(exchange.account, kept.requested(exchange))
    return Answer.json(200, {})
  })
}

export const routes: ReadonlyArray<Route> = versioned([create, cancel, retrieve, list, remove])
