/** A call from its first hook to its last: the one door to every operation. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Batches } from "./Batches.ts"
import type { CallError } from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import { Files } from "./Files.ts"
import { FineTuning } from "./FineTuning.ts"
import { type Answer, type Answers, type Call, Hooks, stepsOf } from "./Hooks.ts"
import { ModelCalls, type Send } from "./ModelCalls.ts"
import type * as Operation from "./Operation.ts"
import type { Principal } from "./Principal.ts"
import { Responses } from "./Responses.ts"
import { Uploads } from "./Uploads.ts"
import { UsageReader } from "./UsageReader.ts"

export interface Request<out Op extends Operation.Operation> {
  /** Names the request in logs and answers. */
  readonly id: string
  readonly principal: Principal
  readonly operation: Op
}

export interface Options {
  /** Makes the call to a provider, in the place of ours. Of no use to operations that no deployment serves. */
  readonly send?: Send | undefined
}

export class Pipeline extends Context.Service<
  Pipeline,
  {
    /**
     * Runs an operation with all hooks. The scope holds what the answer still needs, such as a body that is
     * read later: close it when the answer has been used.
     */
    readonly run: <Op extends Operation.Operation>(
      request: Request<Op>,
      options?: Options
    ) => Effect.Effect<Answers[Op["_tag"]], CallError, Scope.Scope>
  }
>()("@omnifile/core/Pipeline") {}

const make = Effect.gen(function* () {
  const batches = yield* Batches
  const catalog = yield* Catalog
  const files = yield* Files
  const fineTuning = yield* FineTuning
  const hooks = yield* Hooks
  const modelCalls = yield* ModelCalls
  const responses = yield* Responses
  const uploads = yield* Uploads
  const usage = yield* UsageReader
  const preCalls = stepsOf(hooks, "preCall")
  const postCalls = stepsOf(hooks, "postCall")
  const onFailures = stepsOf(hooks, "onFailure")

  const execute = (call: Call, { send }: Options): Effect.Effect<Answer, CallError, Scope.Scope> => {
    const { operation, principal } = call
    const { _tag } = operation
    switch (_tag) {
      case "CreateFile":
        return Effect.map(files.create(principal, operation), (file) => ({ _tag, file }))
      case "ListFiles":
        return Effect.map(files.list(principal, operation), (page) => ({ _tag, page }))
      case "RetrieveFile":
        return Effect.map(files.retrieve(principal, operation), (file) => ({ _tag, file }))
      case "FileContent":
        return Effect.map(files.content(principal, operation), (content) => ({ _tag, content }))
      case "DeleteFile":
        return Effect.map(files.remove(principal, operation), (file) => ({ _tag, file }))
      case "ListReplicas":
        return Effect.map(files.replicas(principal, operation), (replicas) => ({ _tag, replicas }))
      case "ListModels":
        return Effect.succeed({ _tag, models: catalog.modelsOf(principal) })
      case "CreateResponse":
        return responses.create({ ...call, operation }, send)
      case "ChatCompletion":
      case "CreateMessage":
      case "CountTokens":
      case "Forward":
        return Effect.map(modelCalls.serve({ ...call, operation }, send), (served) => ({ _tag, ...served }))
      case "CreateBatch":
      case "RetrieveBatch":
      case "CancelBatch":
      case "ListBatches":
        return batches.run({ ...call, operation })
      case "CreateFineTuningJob":
      case "RetrieveFineTuningJob":
      case "CancelFineTuningJob":
      case "PauseFineTuningJob":
      case "ResumeFineTuningJob":
      case "ListFineTuningJobs":
      case "ListFineTuningEvents":
      case "ListFineTuningCheckpoints":
        return fineTuning.run({ ...call, operation })
      case "RetrieveResponse":
      case "ListInputItems":
      case "DeleteResponse":
      case "CancelResponse":
        return responses.run({ ...call, operation })
      case "CreateUpload":
      case "AddUploadPart":
      case "CompleteUpload":
      case "CancelUpload":
        return uploads.run({ ...call, operation })
      case "ReadUsage":
        return usage.run({ ...call, operation })
    }
  }

  const tell = (call: Call) => (error: CallError) =>
    Effect.forEach(onFailures, (onFailure) => onFailure(call, { _tag: "CallFailed", error }), { discard: true })

  const runHooks = Effect.fnUntraced(function* (first: Call, options: Options) {
    let call = first
    for (const preCall of preCalls) call = yield* preCall(call)
    let answer = yield* execute(call, options)
    for (const postCall of postCalls) answer = yield* postCall(call, answer)
    return answer
  })

  const answers =
    <Op extends Operation.Operation>(operation: Op) =>
    (answer: Answer): answer is Answers[Op["_tag"]] =>
      answer._tag === operation._tag

  return Pipeline.of({
    run: (request, options = {}) => {
      const call: Call = { ...request, files: new Map(), pin: null, edits: [] }
      const isAnswer = answers(request.operation)
      return runHooks(call, options).pipe(
        Effect.tapError(tell(call)),
        Effect.flatMap((answer) =>
          isAnswer(answer)
            ? Effect.succeed(answer)
            : Effect.die(new TypeError(`A hook answered ${request.operation._tag} with ${answer._tag}`))
        )
      )
    }
  })
})

export const layer: Layer.Layer<
  Pipeline,
  never,
  Batches | Catalog | Files | FineTuning | Hooks | ModelCalls | Responses | Uploads | UsageReader
> = Layer.effect(Pipeline, make)
