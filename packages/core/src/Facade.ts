/**
 * The core for programs without a server and without Effect: promises in the place of effects. `Omnifile.make` builds
 * one. Each promise is rejected with the `CallError` that an effect would fail with.
 *
 * The one module of the core that runs effects.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as ManagedRuntime from "effect/ManagedRuntime"
import * as Exit from "effect/Exit"
import * as PubSub from "effect/PubSub"
import * as Scope from "effect/Scope"
import type * as BatchOperation from "./BatchOperation.ts"
import * as Bytes from "./Bytes.ts"
import type { CallError } from "./CallError.ts"
import type { Catalog } from "./Catalog.ts"
import type { CopyUses } from "./CopyUses.ts"
import { Credentials, type CredentialSource } from "./Credentials.ts"
import type { Event } from "./Event.ts"
import { Events } from "./Events.ts"
import type * as FineTuningOperation from "./FineTuningOperation.ts"
import type { Answers } from "./Hooks.ts"
import type { TransportResponse } from "./HttpTransport.ts"
import { principalOf, run } from "./FacadeCall.ts"
import * as FacadeFiles from "./FacadeFiles.ts"
import * as FacadeUploads from "./FacadeUploads.ts"
import {
  type Body,
  type CopyReference,
  createBatch,
  createFineTuningJob,
  type FileInfo,
  type FileQuery,
  type FineTuningCalls,
  held,
  infoOf,
  inMemory,
  type JobCalls,
  type JobPage,
  type NewBatch,
  type NewFile,
  type ObjectPage,
  type PageQuery,
  responseOf
} from "./FacadeValues.ts"
import type { Intake } from "./Intake.ts"
import type { JsonObject } from "./Json.ts"
import type { Send } from "./ModelCalls.ts"
import type { Pipeline } from "./Pipeline.ts"
import type { Caller } from "./Principal.ts"
import type { Replication } from "./Replication.ts"
import type { Uploads } from "./Uploads.ts"
import * as Wrap from "./Wrap.ts"
import type { OperationName } from "./WrappedOperation.ts"
import * as WrappedOperation from "./WrappedOperation.ts"

export type * from "./FacadeValues.ts"
export type { NewUpload, NewUploadPart, UploadCalls, UploadEnd, UploadInfo, UploadPartInfo } from "./FacadeUploads.ts"
export type { OperationName } from "./WrappedOperation.ts"

/** Whatever is called without saying who calls may do everything. */
export interface Facade {
  readonly files: {
    readonly create: (file: NewFile, caller?: Caller) => Promise<FileInfo>
    readonly retrieve: (id: string, caller?: Caller) => Promise<FileInfo>
    readonly list: (
      query?: FileQuery,
      caller?: Caller
    ) => Promise<{ readonly files: ReadonlyArray<FileInfo>; readonly hasMore: boolean }>
    /** The whole content in memory. */
    readonly content: (id: string, caller?: Caller) => Promise<Uint8Array>
    /** The content as it is read. Nothing happens before it is iterated, and a refusal is thrown there. */
    readonly stream: (id: string, caller?: Caller) => AsyncIterable<Uint8Array>
    /**
     * What the provider of an account calls its copy of the file, which is made if there is none: for calls that the
     * program makes itself. The copy is good for a call that is made now, and may be gone later.
     */
    readonly reference: (id: string, account: string, caller?: Caller) => Promise<CopyReference>
    readonly delete: (id: string, caller?: Caller) => Promise<void>
  }
  /** Files that come in parts. */
  readonly uploads: FacadeUploads.UploadCalls
  /**
   * Makes a body ready for a deployment: checks the files in it, makes missing copies, and puts the deployment's own
   * model name and file IDs in. For a call of one's own that may fail over, see `call`.
   */
  readonly resolve: <Params = unknown>(
    body: Body,
    caller?: Caller,
    operation?: OperationName
  ) => Promise<Omit<Wrap.Attempt<Params>, "signal">>
  /** Has `handler` call the provider, with the next deployment when it fails, and answers what it has answered. */
  readonly call: <Params = unknown>(
    body: Body,
    handler: Wrap.Handler<Params>,
    caller?: Caller,
    operation?: OperationName
  ) => Promise<Response>
  /** Calls a deployment of the body's model: the provider's answer, plain or streamed. */
  readonly chat: (body: Body, caller?: Caller) => Promise<Response>
  readonly responses: {
    /** The same for Responses. */
    readonly create: (body: Body, caller?: Caller) => Promise<Response>
  }
  readonly messages: {
    /** The same for Anthropic's Messages. */
    readonly create: (body: Body, caller?: Caller) => Promise<Response>
  }
  readonly batches: JobCalls<NewBatch>
  readonly fineTuning: FineTuningCalls
  /** What becomes of files and jobs, from now on and until the end. */
  readonly events: () => AsyncIterable<Event>
  /** Ends what runs, and frees everything. */
  readonly close: () => Promise<void>
}

const emptyAnswer: TransportResponse = {
  status: 204,
  headers: {},
  complete: new Uint8Array(0),
  body: Bytes.fromArray(),
  cancel: () => {}
}

const pageOf = ({ after, limit = 20 }: PageQuery = {}) => ({ after: after ?? null, limit })

type JobOperation =
  | BatchOperation.CreateBatch
  | BatchOperation.RetrieveBatch
  | BatchOperation.CancelBatch
  | FineTuningOperation.CreateFineTuningJob
  | FineTuningOperation.RetrieveFineTuningJob
  | FineTuningOperation.CancelFineTuningJob
  | FineTuningOperation.PauseFineTuningJob
  | FineTuningOperation.ResumeFineTuningJob

type Services = Catalog | CopyUses | Events | Intake | Pipeline | Replication | Uploads

/** The façade over a core that is built. */
export const over = <R extends Services, E>(runtime: ManagedRuntime.ManagedRuntime<R, E>): Facade => {
  const runPromise = <A>(effect: Effect.Effect<A, CallError, Services>): Promise<A> =>
    runtime.runPromise(effect as Effect.Effect<A, CallError, R>)

  const scoped = <A>(effect: Effect.Effect<A, CallError, Services | Scope.Scope>): Promise<A> =>
    runPromise(Effect.scoped(effect))

  const closed = Deferred.makeUnsafe<void>()
  let isClosed = false

  const events: Facade["events"] = () => {
    const scope = Scope.makeUnsafe()
    const subscribe = Effect.flatMap(Events, (service) => Scope.provide(service.subscribe, scope))
    const subscription = runtime.runSync(subscribe as Effect.Effect<PubSub.Subscription<Event>, never, R>)
    const next = Effect.raceFirst(
      Effect.map(PubSub.take(subscription), (event) => [event]),
      Effect.map(Deferred.await(closed), () => [])
    )
    return (async function* () {
      try {
        for (;;) {
          if (isClosed) return
          yield* await runPromise(next)
        }
      } finally {
        if (!isClosed) await runPromise(Scope.close(scope, Exit.void))
      }
    })()
  }

  /** Runs with a scope that lasts until its end is called. */
  const open = async <A>(effect: Effect.Effect<A, CallError, Services | Scope.Scope>) => {
    const scope = Scope.makeUnsafe()
    const end = () => runPromise(Scope.close(scope, Exit.void))
    try {
      return { value: await runPromise(Scope.provide(effect, scope)), end }
    } catch (cause) {
      await end()
      throw cause
    }
  }

  const openContent = (id: string, caller: Caller | undefined) =>
    open(
      Effect.map(
        run({ _tag: "FileContent", id, range: null }, principalOf(caller)),
        (answer: Answers["FileContent"]) => answer.content.bytes
      )
    )

  const openCall = (
    name: OperationName,
    body: Body,
    caller: Caller | undefined,
    sendOf?: (stream: boolean, credentials: CredentialSource) => Send
  ) =>
    open(
      Effect.gen(function* () {
        const operation = yield* Effect.fromResult(WrappedOperation.parse(name, inMemory(body)))
        const send = sendOf?.(operation.stream, yield* Credentials)
        return (yield* run(operation, principalOf(caller), send)).response
      })
    )

  const answered = async (name: OperationName, body: Body, caller: Caller | undefined) => {
    const { end, value } = await openCall(name, body, caller)
    return responseOf(value, end)
  }

  const object = async (operation: JobOperation, caller: Caller | undefined): Promise<JsonObject> =>
    (await scoped(run(operation, principalOf(caller)))).object

  const jobs = async (
    operation: BatchOperation.ListBatches | FineTuningOperation.ListFineTuningJobs,
    caller: Caller | undefined
  ): Promise<JobPage> => {
    const { hasMore, objects } = await scoped(run(operation, principalOf(caller)))
    return { jobs: objects, hasMore }
  }

  const partsOf = async (
    _tag: "ListFineTuningEvents" | "ListFineTuningCheckpoints",
    id: string,
    { after, limit = 20 }: PageQuery = {},
    caller: Caller | undefined
  ): Promise<ObjectPage> => {
    const query = new URLSearchParams({ limit: String(limit), ...(after === undefined ? {} : { after }) }).toString()
    const { hasMore, objects } = await scoped(run({ _tag, id, query }, principalOf(caller)))
    return { objects, hasMore }
  }

  const stream = async function* (id: string, caller?: Caller): AsyncGenerator<Uint8Array, void, void> {
    const { end, value } = await openContent(id, caller)
    yield* held(value, end)
  }

  return {
    files: {
      create: (file, caller) => runPromise(FacadeFiles.create(file, principalOf(caller))),
      retrieve: async (id, caller) => {
        const operation = { _tag: "RetrieveFile", id } as const
        return infoOf((await scoped(run(operation, principalOf(caller)))).file)
      },
      list: async ({ after = null, limit = 100, order = "desc", purpose = null } = {}, caller) => {
        const operation = { _tag: "ListFiles", after, limit, order, purpose } as const
        const { page } = await scoped(run(operation, principalOf(caller)))
        return { files: page.files.map(infoOf), hasMore: page.hasMore }
      },
      content: (id, caller) => Bytes.collect(stream(id, caller)),
      stream,
      reference: (id, account, caller) =>
        runPromise(
          run({ _tag: "RetrieveFile", id }, principalOf(caller)).pipe(
            Effect.flatMap(({ file }: Answers["RetrieveFile"]) => FacadeFiles.referenceTo(file, account)),
            Effect.scoped
          )
        ),
      delete: async (id, caller) => {
        await scoped(run({ _tag: "DeleteFile", id }, principalOf(caller)))
      }
    },
    uploads: {
      create: (upload, caller) => scoped(FacadeUploads.create(upload, principalOf(caller))),
      addPart: (part, caller) => scoped(FacadeUploads.addPart(part, principalOf(caller))),
      complete: (end, caller) => scoped(FacadeUploads.complete(end, principalOf(caller))),
      cancel: (id, caller) => scoped(FacadeUploads.cancel(id, principalOf(caller)))
    },
    resolve: async <Params>(body: Body, caller?: Caller, operation: OperationName = "chat") => {
      let resolved: Wrap.Attempt<Params> | undefined
      const { end } = await openCall(operation, body, caller, (_stream, { secretOf }) =>
        Effect.fnUntraced(function* (target, call, deployment) {
          const { signal } = new AbortController()
          const secret = yield* secretOf(target.account)
          resolved = yield* Wrap.attemptOf<Params>(target, call, deployment, signal, secret)
          return emptyAnswer
        })
      )
      await end()
      if (resolved === undefined) throw new Error("A call succeeded without any deployment")
      return resolved
    },
    call: async (body, handler, caller, operation = "chat") => {
      try {
        const { end, value } = await openCall(operation, body, caller, (stream, credentials) =>
          Wrap.send(handler, stream, operation, credentials)
        )
        return responseOf(value, end)
      } catch (cause) {
        throw cause instanceof Wrap.HandlerDefect ? cause.cause : cause
      }
    },
    chat: (body, caller) => answered("chat", body, caller),
    responses: { create: (body, caller) => answered("responses", body, caller) },
    messages: { create: (body, caller) => answered("messages", body, caller) },
    batches: {
      create: (batch, caller) => object(createBatch(batch), caller),
      retrieve: (id, caller) => object({ _tag: "RetrieveBatch", id }, caller),
      cancel: (id, caller) => object({ _tag: "CancelBatch", id }, caller),
      list: (query, caller) => jobs({ _tag: "ListBatches", ...pageOf(query) }, caller)
    },
    fineTuning: {
      create: (job, caller) => object(createFineTuningJob(job), caller),
      retrieve: (id, caller) => object({ _tag: "RetrieveFineTuningJob", id }, caller),
      cancel: (id, caller) => object({ _tag: "CancelFineTuningJob", id }, caller),
      pause: (id, caller) => object({ _tag: "PauseFineTuningJob", id }, caller),
      resume: (id, caller) => object({ _tag: "ResumeFineTuningJob", id }, caller),
      events: (id, query, caller) => partsOf("ListFineTuningEvents", id, query, caller),
      checkpoints: (id, query, caller) => partsOf("ListFineTuningCheckpoints", id, query, caller),
      list: (query, caller) => jobs({ _tag: "ListFineTuningJobs", metadata: null, ...pageOf(query) }, caller)
    },
    events,
    close: () => {
      isClosed = true
      Deferred.doneUnsafe(closed, Effect.void)
      return runtime.dispose()
    }
  }
}
