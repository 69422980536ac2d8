/** What the façade takes and gives: plain values in the place of the core's own. */
import * as Effect from "effect/Effect"
import type { CreateBatch } from "./BatchOperation.ts"
import * as Bytes from "./Bytes.ts"
import { type InvalidRequest, invalid } from "./CallError.ts"
import type { CreateFineTuningJob, DataField } from "./FineTuningOperation.ts"
import type { TransportResponse } from "./HttpTransport.ts"
import type { JsonObject } from "./Json.ts"
import type { InputPurpose, ManagedFile, Purpose, ReplicaState } from "./ManagedFile.ts"
import type { Caller } from "./Principal.ts"

/** A file to upload. */
export interface NewFile {
  readonly content: string | Uint8Array | AsyncIterable<Uint8Array>
  /** Without a path. */
  readonly filename: string
  /** Default: `user_data`. */
  readonly purpose?: InputPurpose | undefined
  /** What the content is, such as `application/pdf`. */
  readonly contentType?: string | undefined
  /** The model names that it is for; none means every model that the caller may use. */
  readonly models?: ReadonlyArray<string> | undefined
  /** Seconds. */
  readonly expiresAfter?: number | undefined
  /** The same key and the same file again answer the first one. */
  readonly idempotencyKey?: string | undefined
}

/** A copy of a file in its provider's own words. */
export interface CopyReference {
  readonly account: string
  /** What the configuration calls the provider, such as `openai`. */
  readonly provider: string
  /** What a body says for the copy: its ID, or its URI where the provider wants that. */
  readonly reference: string
  /** When the provider drops the copy, in milliseconds since 1970; null: it is kept until it is deleted. */
  readonly expiresAt: number | null
}

/** A file under its unified ID. Times in milliseconds since 1970. */
export interface FileInfo {
  readonly id: string
  readonly filename: string
  readonly bytes: number
  readonly contentType: string
  /** Hex. */
  readonly sha256: string
  readonly purpose: Purpose
  readonly createdAt: number
  readonly expiresAt: number | null
  readonly copies: ReadonlyArray<{ readonly account: string; readonly state: ReplicaState }>
}

export interface FileQuery {
  readonly purpose?: Purpose | undefined
  /** By creation. Default: `desc`. */
  readonly order?: "asc" | "desc" | undefined
  /** Default: 100. */
  readonly limit?: number | undefined
  /** The ID after which the page begins. */
  readonly after?: string | undefined
}

export interface PageQuery {
  /** Default: 20. */
  readonly limit?: number | undefined
  /** The ID after which the page begins. */
  readonly after?: string | undefined
}

/** A batch to create. */
export interface NewBatch {
  /** The unified ID of the file with the requests. */
  readonly inputFile: string
  /** What the requests are for, such as `/v1/chat/completions`. */
  readonly endpoint: string
  /** The model, if the lines do not say it. */
  readonly model?: string | undefined
  /** Has the lines run on all deployments of their model, a part on each. Default: on one. */
  readonly split?: boolean | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /** Seconds that the files are kept which the batch makes. */
  readonly outputExpiresAfter?: number | undefined
  readonly idempotencyKey?: string | undefined
}

/** The body of a call, as text or as an object. */
export type Body = string | Uint8Array | object

/** A fine-tuning job to create. */
export interface NewFineTuningJob {
  /** The model to start from. */
  readonly model: string
  /** Unified IDs of the files with the examples. */
  readonly trainingFile: string
  readonly validationFile?: string | undefined
  /** Other fields of OpenAI's request, such as `method`, `seed` and `metadata`. */
  readonly options?: JsonObject | undefined
  readonly idempotencyKey?: string | undefined
}

/** A page of jobs, newest first. */
export interface JobPage {
  readonly jobs: ReadonlyArray<JsonObject>
  readonly hasMore: boolean
}

/** A page of what belongs to a job. */
export interface ObjectPage {
  readonly objects: ReadonlyArray<JsonObject>
  readonly hasMore: boolean
}

/** Jobs of one kind, in OpenAI's own terms, under unified IDs. */
export interface JobCalls<in New> {
  readonly create: (job: New, caller?: Caller) => Promise<JsonObject>
  /** As the provider says that it is now. */
  readonly retrieve: (id: string, caller?: Caller) => Promise<JsonObject>
  readonly cancel: (id: string, caller?: Caller) => Promise<JsonObject>
  readonly list: (query?: PageQuery, caller?: Caller) => Promise<JobPage>
}

export interface FineTuningCalls extends JobCalls<NewFineTuningJob> {
  readonly pause: (id: string, caller?: Caller) => Promise<JsonObject>
  readonly resume: (id: string, caller?: Caller) => Promise<JsonObject>
  /** The provider's own list, whose cursors are the provider's own too. */
  readonly events: (id: string, query?: PageQuery, caller?: Caller) => Promise<ObjectPage>
  /** As `events`. */
  readonly checkpoints: (id: string, query?: PageQuery, caller?: Caller) => Promise<ObjectPage>
}

const encoder = new TextEncoder()

export const inMemory = (body: Body): Bytes.InMemory => {
  if (body instanceof Uint8Array) return Bytes.fromArray(body)
  return Bytes.fromArray(encoder.encode(typeof body === "string" ? body : JSON.stringify(body)))
}

export const contentOf = (content: NewFile["content"]): Bytes.Bytes =>
  typeof content === "string" || content instanceof Uint8Array ? inMemory(content) : content

export const infoOf = (file: ManagedFile): FileInfo => ({
  id: file.id ?? "",
  filename: file.filename,
  bytes: file.bytes,
  contentType: file.contentType,
  sha256: file.sha256,
  purpose: file.purpose,
  createdAt: file.createdAt,
  expiresAt: file.expiresAt,
  copies: file.replicas.map(({ account, state }) => ({ account, state }))
})

/** A name that is a path or could end a header is nobody's file name. */
export const nameOf = (filename: string): Effect.Effect<string, InvalidRequest> =>
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  filename === "" || /[/\\\u0000-\u001f\u007f]/.test(filename)
    ? Effect.fail(invalid("The name of the file cannot be used.", "filename"))
    : Effect.succeed(filename.toWellFormed())

/** What a content or an answer needs while it is read ends with the reading. */
export const held = async function* (
  bytes: Bytes.Bytes,
  end: () => Promise<void>
): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* bytes
  } finally {
    await end()
  }
}

export const responseOf = (answer: TransportResponse, end: () => Promise<void>): Response => {
  const headers = new Headers()
  for (const name of ["content-type", "content-encoding"]) {
    const value = answer.headers[name]
    if (typeof value === "string") headers.set(name, value)
  }
  const chunks = held(answer.body, end)
  const stream = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const next = await chunks.next()
      if (next.done === true) controller.close()
      else controller.enqueue(next.value)
    },
    cancel: async () => {
      answer.cancel()
      await end()
    }
  })
  return new Response(stream, { status: answer.status, headers })
}

export const createBatch = (batch: NewBatch): CreateBatch => {
  const {
    endpoint,
    idempotencyKey = null,
    inputFile,
    metadata,
    model = null,
    outputExpiresAfter,
    split = false
  } = batch
  const expiry =
    outputExpiresAfter === undefined
      ? {}
      : { output_expires_after: { anchor: "created_at", seconds: outputExpiresAfter } }
  return {
    _tag: "CreateBatch",
    body: {
      input_file_id: inputFile,
      endpoint,
      completion_window: "24h",
      ...(metadata === undefined ? {} : { metadata }),
      ...expiry
    },
    inputFile: { id: inputFile, param: "inputFile" },
    model,
    split,
    idempotencyKey
  }
}

export const createFineTuningJob = (job: NewFineTuningJob): CreateFineTuningJob => {
  const { idempotencyKey = null, model, options = {}, trainingFile, validationFile } = job
  const named: ReadonlyArray<readonly [DataField, string]> =
    validationFile === undefined
      ? [["training_file", trainingFile]]
      : [
          ["training_file", trainingFile],
          ["validation_file", validationFile]
        ]
  return {
    _tag: "CreateFineTuningJob",
    body: { ...options, model, ...Object.fromEntries(named) },
    model,
    files: named.map(([param, id]) => ({ id, param })),
    idempotencyKey
  }
}
