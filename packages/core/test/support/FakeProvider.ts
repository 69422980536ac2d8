/**
 * A provider in memory with several accounts, behind an `HttpTransport`: it reads uploads to their last byte,
 * keeps, lists and deletes them, answers chats that name files it has, and fails as a test tells it to.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Latch from "effect/Latch"
import * as Bytes from "../../src/Bytes.ts"
import {
  HttpTransport,
  TransportError,
  type TransportRequest,
  type TransportResponse
} from "../../src/HttpTransport.ts"
import { type ParsedForm, parseForm } from "./multipart.ts"

export type CallName =
  | "create"
  | "list"
  | "retrieve"
  | "content"
  | "delete"
  | "chat"
  | "createBatch"
  | "listBatches"
  | "retrieveBatch"
  | "cancelBatch"

/** What becomes of one call. */
export type Fault =
  /** This answer; nothing is done, unless it says so. */
  | {
      readonly _tag: "Answer"
      readonly done?: boolean
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: unknown
    }
  /** No connection. */
  | { readonly _tag: "Refuse" }
  /** The connection breaks after a part of the body, or all of it, was read; nothing is done. */
  | { readonly _tag: "Cut"; readonly after: "part" | "all" }
  /** All is done, and then the connection breaks before the answer, or in the middle of it. */
  | { readonly _tag: "CutAnswer"; readonly at: "head" | "body" }
  /** There is no answer, ever; what was asked for is done or not. */
  | { readonly _tag: "Hang"; readonly done: boolean }
  /** The answer comes late. */
  | { readonly _tag: "Delay"; readonly millis: number }
  /** All is done and the answer waits for the latch. */
  | { readonly _tag: "Wait"; readonly latch: Latch.Latch }

/** A refusal whose meaning the provider says in its `code`. */
export const refusal = (status: number, code: string | null, message = `scripted ${status}`): Fault => ({
  _tag: "Answer",
  status,
  body: { error: { message, type: "scripted", param: null, code } }
})

export const answer = (
  status: number,
  message = `scripted ${status}`,
  headers: Record<string, string> = {}
): Fault => ({
  _tag: "Answer",
  status,
  headers,
  body: { error: { message, type: "scripted", param: null, code: null } }
})

/** A file as the provider has it. */
export interface StoredFile {
  readonly id: string
  readonly filename: string
  readonly contentType: string
  readonly content: Uint8Array
  readonly fields: ReadonlyMap<string, string>
  /** Milliseconds. */
  readonly createdAt: number
  readonly expiresAt: number | null
  /** Retrievals until the file can be used, or `never`. */
  processing: number | "never"
}

/** A batch as the provider has it. It does what the test says. */
interface StoredBatch {
  readonly id: string
  readonly inputFileId: string
  readonly metadata: Readonly<Record<string, string>> | null
  /** Milliseconds. */
  readonly createdAt: number
  status: "in_progress" | "completed" | "failed" | "expired" | "cancelling" | "cancelled"
  outputFileId: string | null
  errorFileId: string | null
  usage: { readonly input_tokens: number; readonly output_tokens: number } | null
}

/** A call as the provider saw it. */
interface Exchange {
  readonly call: CallName
  /** The ID in the path. */
  readonly id: string | null
  readonly request: TransportRequest
  readonly body: Uint8Array
  readonly at: number
  /** `none` as long as there is no answer, and for ever if the caller went away before. */
  outcome: number | "none" | "interrupted"
}

export interface FakeAccount {
  readonly id: string
  readonly baseUrl: string
  readonly files: Map<string, StoredFile>
  readonly batches: Map<string, StoredBatch>
  /** Ends a batch with this output. */
  readonly complete: (batch: string, output: string) => void
  /** Ends a batch in some other way; what is empty is no file. */
  readonly end: (batch: string, status: StoredBatch["status"], output: string, errors: string) => void
  readonly exchanges: Array<Exchange>
  /** Calls that are being answered now, and how many were at most. */
  readonly active: Map<CallName, number>
  readonly peak: Map<CallName, number>
  /** Answers whose body was given up. */
  cancelled: number
  /** Retrievals until a new file can be used. */
  processing: number | "never"
  /** Milliseconds after which a new file is dropped, whatever was asked for; null for as long as was asked. */
  copyLife: number | null
  /** How many files there is room for; null for any number. */
  room: number | null
  /** Whether downloads are refused. */
  forbidsDownloads: boolean
  /** How the next calls of that kind end, one after the other. */
  readonly script: (call: CallName, ...faults: ReadonlyArray<Fault>) => void
  /** How all calls of that kind end whose turn is not scripted; null to mend it. */
  readonly always: (call: CallName, fault: Fault | null) => void
  /** From now on no call fails. */
  readonly mend: () => void
  readonly calls: (call: CallName) => ReadonlyArray<Exchange>
}

export interface FakeProvider {
  readonly transport: HttpTransport["Service"]
  /** Run around every call, with its number from 1 on. */
  around: {
    readonly before?: ((count: number, request: TransportRequest) => Effect.Effect<void>) | undefined
    readonly after?: ((count: number, request: TransportRequest) => Effect.Effect<void>) | undefined
  }
  readonly account: (id: string) => FakeAccount
  /** All files of all accounts. */
  readonly files: () => ReadonlyArray<StoredFile & { readonly account: string }>
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()
export const encode = (text: string): Uint8Array => encoder.encode(text)
export const decode = (bytes: Uint8Array): string => decoder.decode(bytes)

const makeAccount = (id: string): FakeAccount => {
  const scripts = new Map<CallName, Array<Fault>>()
  const constant = new Map<CallName, Fault>()
  const exchanges: Array<Exchange> = []
  const files = new Map<string, StoredFile>()
  const batches = new Map<string, StoredBatch>()
  const end = (id: string, status: StoredBatch["status"], output: string | null, errors: string | null) => {
    const batch = batches.get(id)
    if (batch === undefined) throw new Error(`There is no batch ${id}`)
    const made = (kind: string, content: string | null): string | null => {
      if (content === null) return null
      const file: StoredFile = {
        id: `file-${kind}-of-${id}`,
        filename: `${kind}.jsonl`,
        contentType: "application/jsonl",
        content: encode(content),
        fields: new Map([["purpose", "batch_output"]]),
        createdAt: batch.createdAt,
        expiresAt: null,
        processing: 0
      }
      files.set(file.id, file)
      return file.id
    }
    Object.assign(batch, { status, outputFileId: made("output", output), errorFileId: made("errors", errors) })
  }
  return Object.assign(
    {
      id,
      baseUrl: `https://${id}.provider.test/v1`,
      files,
      batches,
      complete: (batch: string, output: string) => end(batch, "completed", output, null),
      end: (batch: string, status: StoredBatch["status"], output: string, errors: string) =>
        end(batch, status, output || null, errors || null),
      exchanges,
      active: new Map<CallName, number>(),
      peak: new Map<CallName, number>(),
      cancelled: 0,
      processing: 0,
      copyLife: null as number | null,
      room: null as number | null,
      forbidsDownloads: false,
      script: (call: CallName, ...faults: ReadonlyArray<Fault>) =>
        void scripts.set(call, [...(scripts.get(call) ?? []), ...faults]),
      always: (call: CallName, fault: Fault | null) =>
        fault === null ? void constant.delete(call) : void constant.set(call, fault),
      mend: () => {
        scripts.clear()
        constant.clear()
      },
      calls: (call: CallName) => exchanges.filter((exchange) => exchange.call === call)
    },
    { nextFault: (call: CallName) => scripts.get(call)?.shift() ?? constant.get(call) }
  )
}

type ScriptedAccount = FakeAccount & { readonly nextFault: (call: CallName) => Fault | undefined }

const route = (method: string, path: string): readonly [call: CallName, id: string | null] | undefined => {
  if (path === "/chat/completions") return ["chat", null]
  const [, batch, cancel] = /^\/batches\/([^/]+)(\/cancel)?$/.exec(path) ?? []
  if (batch !== undefined) return [cancel === undefined ? "retrieveBatch" : "cancelBatch", batch]
  if (path.startsWith("/batches")) return [method === "POST" ? "createBatch" : "listBatches", null]
  const [, id, tail] = /^\/files(?:\/([^/?]+))?(\/content)?(?:\?.*)?$/.exec(path) ?? []
  if (!path.startsWith("/files")) return undefined
  if (id === undefined) return method === "POST" ? ["create", null] : ["list", null]
  if (tail !== undefined) return ["content", id]
  return method === "DELETE" ? ["delete", id] : ["retrieve", id]
}

const broken = (sent: TransportError["sent"]) =>
  new TransportError({ sent, timedOut: false, cause: "scripted: the connection broke" })

const readBody = ({ body }: TransportRequest): Effect.Effect<Uint8Array, TransportError> => {
  if (body === null) return Effect.succeed(new Uint8Array())
  if (body instanceof Uint8Array) return Effect.succeed(body)
  return Effect.tryPromise({
    try: (signal) => Bytes.collect(Bytes.abortable(body.bytes, signal)),
    catch: (cause) => new TransportError({ sent: "part", timedOut: false, cause })
  })
}

/** Reads the first chunk of a body and leaves the rest. */
const readPart = ({ body }: TransportRequest): Effect.Effect<void> =>
  Effect.promise(async () => {
    if (body === null || body instanceof Uint8Array) return
    for await (const _ of body.bytes) break
  })

interface Reply {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>> | undefined
}

const refused = (status: number, message: string, code: string | null = null): Reply => ({
  status,
  body: { error: { message, type: "invalid_request_error", param: null, code } }
})

const fileObject = ({ content, createdAt, expiresAt, filename, id, processing }: StoredFile) => ({
  id,
  object: "file",
  filename,
  bytes: content.byteLength,
  created_at: createdAt / 1000,
  ...(expiresAt === null ? {} : { expires_at: expiresAt / 1000 }),
  status: processing === 0 ? "processed" : "running"
})

const batchObject = ({
  createdAt,
  errorFileId,
  id,
  inputFileId,
  metadata,
  outputFileId,
  status,
  usage
}: StoredBatch) => ({
  id,
  object: "batch",
  status,
  input_file_id: inputFileId,
  output_file_id: outputFileId,
  error_file_id: errorFileId,
  created_at: createdAt / 1000,
  metadata,
  usage
})

const second = (millis: number): number => Math.floor(millis / 1000) * 1000

/** The IDs of files in a chat's body, wherever they stand. */
const namedFiles = (body: string): ReadonlyArray<string> =>
  [...body.matchAll(/"file_id"\s*:\s*"([^"]*)"/g)].flatMap(([, id]) => id ?? [])

export const make = (...ids: ReadonlyArray<string>): FakeProvider => {
  const accounts = new Map<string, ScriptedAccount>(ids.map((id) => [id, makeAccount(id) as ScriptedAccount]))
  let made = 0

  const store = (account: FakeAccount, form: ParsedForm, now: number): StoredFile => {
    made++
    const asked = form.fields.get("expires_after[seconds]")
    const life = account.copyLife ?? (asked === undefined ? null : Number(asked) * 1000)
    const file: StoredFile = {
      id: `file-${account.id}-${made}`,
      filename: form.file.filename,
      contentType: form.file.contentType,
      content: form.file.content,
      fields: form.fields,
      createdAt: second(now),
      expiresAt: life === null ? null : second(now) + life,
      processing: account.processing
    }
    account.files.set(file.id, file)
    return file
  }

  const perform = (account: FakeAccount, exchange: Exchange, now: number): Reply => {
    for (const file of account.files.values()) {
      if (file.expiresAt !== null && file.expiresAt <= now) account.files.delete(file.id)
    }
    const file = exchange.id === null ? undefined : account.files.get(exchange.id)
    const missing = refused(404, `No such File object: ${exchange.id}`)
    switch (exchange.call) {
      case "create": {
        if (account.room !== null && account.files.size >= account.room) return refused(400, "No room", "quota")
        const form = parseForm(exchange.request.headers["content-type"] ?? "", exchange.body)
        return { status: 200, body: fileObject(store(account, form, now)) }
      }
      case "list":
        // Maps keep the order of insertion: newest first, all on one page.
        return {
          status: 200,
          body: { object: "list", data: [...account.files.values()].reverse().map(fileObject), has_more: false }
        }
      case "retrieve":
        if (file === undefined) return missing
        if (typeof file.processing === "number" && file.processing > 0) file.processing--
        return { status: 200, body: fileObject(file) }
      case "content":
        if (file === undefined) return missing
        return account.forbidsDownloads
          ? refused(400, "Not allowed to download files of this purpose.")
          : { status: 200, body: file.content }
      case "delete":
        account.files.delete(exchange.id ?? "")
        return file === undefined ? missing : { status: 200, body: { id: file.id, deleted: true } }
      case "createBatch": {
        const { input_file_id, metadata = null } = JSON.parse(decode(exchange.body)) as {
          readonly input_file_id: string
          readonly metadata?: Readonly<Record<string, string>> | null
        }
        if (!account.files.has(input_file_id)) return refused(400, `No such File object: ${input_file_id}`)
        const batch: StoredBatch = {
          id: `batch_${account.id}_${++made}`,
          inputFileId: input_file_id,
          metadata,
          createdAt: second(now),
          status: "in_progress",
          outputFileId: null,
          errorFileId: null,
          usage: null
        }
        account.batches.set(batch.id, batch)
        return { status: 200, body: batchObject(batch) }
      }
      case "listBatches":
        return {
          status: 200,
          body: { data: [...account.batches.values()].reverse().map(batchObject), has_more: false }
        }
      case "cancelBatch":
      case "retrieveBatch": {
        const batch = account.batches.get(exchange.id ?? "")
        if (exchange.call === "cancelBatch" && batch?.status === "in_progress") batch.status = "cancelling"
        return batch === undefined ? missing : { status: 200, body: batchObject(batch) }
      }
      case "chat": {
        const body = decode(exchange.body)
        const named = namedFiles(body)
        const absent = named.find((id) => !account.files.has(id))
        if (absent !== undefined) return refused(404, `No such File object: ${absent}`)
        const { model } = JSON.parse(body) as { readonly model: string }
        const read = named.map((id) => decode(account.files.get(id)?.content ?? new Uint8Array()))
        return {
          status: 200,
          body: { id: "chatcmpl-1", object: "chat.completion", model, account: account.id, files: read }
        }
      }
    }
  }

  const respond = (account: FakeAccount, { body, headers = {}, status }: Reply, cut: boolean): TransportResponse => {
    const bytes = body instanceof Uint8Array ? body : encode(typeof body === "string" ? body : JSON.stringify(body))
    let ended = false
    return {
      status,
      headers,
      complete: null,
      body: {
        async *[Symbol.asyncIterator]() {
          if (cut) {
            yield bytes.subarray(0, 5)
            throw new Error("scripted: the answer broke off")
          }
          yield bytes
          ended = true
        }
      },
      cancel: () => {
        if (!ended) account.cancelled++
        ended = true
      }
    }
  }

  const handle = Effect.fnUntraced(function* (account: ScriptedAccount, request: TransportRequest) {
    const routed = route(request.method, request.url.slice(account.baseUrl.length))
    if (routed === undefined) return yield* Effect.die(new Error(`No such route: ${request.url}`))
    const [call, id] = routed
    const fault = account.nextFault(call)
    if (fault?._tag === "Refuse") return yield* broken("nothing")
    if (fault?._tag === "Cut" && fault.after === "part") {
      yield* readPart(request)
      return yield* broken("part")
    }
    const at = yield* Clock.currentTimeMillis
    const active = (account.active.get(call) ?? 0) + 1
    account.active.set(call, active)
    account.peak.set(call, Math.max(account.peak.get(call) ?? 0, active))
    return yield* Effect.gen(function* () {
      const body = yield* readBody(request)
      const exchange: Exchange = { call, id, request, body, at, outcome: "none" }
      account.exchanges.push(exchange)
      return yield* answerWith(account, exchange, fault).pipe(
        Effect.onInterrupt(() => Effect.sync(() => void (exchange.outcome = "interrupted")))
      )
    }).pipe(Effect.ensuring(Effect.sync(() => account.active.set(call, (account.active.get(call) ?? 1) - 1))))
  })

  const answerWith = Effect.fnUntraced(function* (account: FakeAccount, exchange: Exchange, fault?: Fault) {
    if (fault?._tag === "Answer") {
      if (fault.done === true) perform(account, exchange, yield* Clock.currentTimeMillis)
      exchange.outcome = fault.status
      return respond(account, { status: fault.status, body: fault.body ?? "", headers: fault.headers }, false)
    }
    if (fault?._tag === "Cut") return yield* broken("all")
    if (fault?._tag === "Hang" && !fault.done) return yield* Effect.never
    if (fault?._tag === "Delay") yield* Effect.sleep(fault.millis)
    const reply = perform(account, exchange, yield* Clock.currentTimeMillis)
    if (fault?._tag === "Hang") return yield* Effect.never
    if (fault?._tag === "Wait") yield* fault.latch.await
    if (fault?._tag === "CutAnswer" && fault.at === "head") return yield* broken("all")
    exchange.outcome = reply.status
    return respond(account, reply, fault?._tag === "CutAnswer")
  })

  const find = (id: string): ScriptedAccount => {
    const account = accounts.get(id)
    if (account === undefined) throw new Error(`There is no fake account ${id}`)
    return account
  }

  let calls = 0
  const send = Effect.fnUntraced(function* (request: TransportRequest) {
    const account = [...accounts.values()].find(({ baseUrl }) => request.url.startsWith(`${baseUrl}/`))
    if (account === undefined) return yield* Effect.die(new Error(`No account at ${request.url}`))
    const count = ++calls
    yield* provider.around.before?.(count, request) ?? Effect.void
    const response = yield* handle(account, request)
    yield* provider.around.after?.(count, request) ?? Effect.void
    return response
  })

  const provider: FakeProvider = {
    around: {},
    transport: HttpTransport.of({ send }),
    account: find,
    files: () =>
      [...accounts.values()].flatMap((account) =>
        [...account.files.values()].map((file) => ({ ...file, account: account.id }))
      )
  }
  return provider
}
