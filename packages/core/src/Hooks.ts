/**
 * The steps that a call passes, as an ordered list of values: before the call, over the candidates, before a
 * deployment is called, after the call, and on failure. Managed files are one such value; an operator adds
 * their own beside it.
 *
 * Steps run in the order of the list. Hooks know nothing of HTTP.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Deployment } from "./Account.ts"
import type { BatchAnswers } from "./BatchOperation.ts"
import type { AccountFailure, CallError } from "./CallError.ts"
import type { FilePlacement } from "./ChatTranslator.ts"
import type { Event } from "./Event.ts"
import type { Content, FilePage } from "./Files.ts"
import type { FineTuningAnswers } from "./FineTuningOperation.ts"
import type { ForwardAnswers } from "./ForwardOperation.ts"
import type { BodyEdit, Edit } from "./JsonEdit.ts"
import type { ManagedFile, Replica } from "./ManagedFile.ts"
import type { MessageAnswers } from "./MessageOperation.ts"
import type { ModelOperation, Operation, RoutedOperation } from "./Operation.ts"
import type { Principal } from "./Principal.ts"
import type { ProviderError } from "./ProviderError.ts"
import type { ResponseAnswers } from "./ResponseOperation.ts"
import type { ServedAnswer } from "./ServedAnswer.ts"
import type { UploadAnswers } from "./UploadOperation.ts"
import type { UsageAnswers } from "./UsageOperation.ts"

/** One call on its way through the hooks. */
export interface Call<out Op extends Operation = Operation> {
  /** Names the request in logs and answers. */
  readonly id: string
  readonly principal: Principal
  readonly operation: Op
  /** The managed files that the operation's body names, by unified ID, as far as they have been resolved. */
  readonly files: ReadonlyMap<string, ManagedFile>
  /** Where the call must go, because what it names lies there: to this account, if possible to this deployment. */
  readonly pin: Pin | null
  /** Edits of the body that hold for every deployment, such as the IDs of what the call is pinned to. */
  readonly edits: ReadonlyArray<Edit>
}

export interface Pin {
  readonly account: string
  readonly deployment: string
}

/** A call for which a deployment is chosen. */
export type RoutedCall = Call<RoutedOperation>

/** A call whose body goes to a deployment. */
export type ModelCall = Call<ModelOperation>

interface FileAnswers {
  readonly CreateFile: { readonly _tag: "CreateFile"; readonly file: ManagedFile }
  readonly ListFiles: { readonly _tag: "ListFiles"; readonly page: FilePage }
  readonly RetrieveFile: { readonly _tag: "RetrieveFile"; readonly file: ManagedFile }
  readonly FileContent: { readonly _tag: "FileContent"; readonly content: Content }
  readonly DeleteFile: { readonly _tag: "DeleteFile"; readonly file: ManagedFile }
  readonly ListReplicas: { readonly _tag: "ListReplicas"; readonly replicas: ReadonlyArray<Replica> }
  readonly ListModels: { readonly _tag: "ListModels"; readonly models: ReadonlyArray<string> }
  readonly ChatCompletion: ServedAnswer<"ChatCompletion">
}

/** What each operation answers with. */
export interface Answers
  extends
    FileAnswers,
    BatchAnswers,
    FineTuningAnswers,
    ResponseAnswers,
    MessageAnswers,
    ForwardAnswers,
    UploadAnswers,
    UsageAnswers {}

export type Answer = Answers[Operation["_tag"]]

/** A deployment that may serve the call. Those of a lower rank are tried first. */
export interface Candidate {
  readonly deployment: Deployment
  readonly rank: number
}

/** The request to one deployment: what is put in the place of parts of the client's body. */
export interface DeploymentRequest {
  /** Edits of the client's own bytes, none overlapping another. */
  readonly edits: ReadonlyArray<BodyEdit>
  /**
   * For a provider that does not speak the wire of the call: where each file is that the body names, by its ID there.
   * Those that it can name by a copy have an edit, too.
   */
  readonly placements?: ReadonlyMap<string, FilePlacement> | undefined
  /** Headers beside those of the protocol. Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

export type Failure =
  /** One deployment failed; others may be left. */
  | { readonly _tag: "DeploymentFailed"; readonly deployment: Deployment; readonly error: ProviderError }
  /** The call as a whole failed. */
  | { readonly _tag: "CallFailed"; readonly error: CallError }

/**
 * What is to follow a deployment's failure: the same deployment once more, or whatever the error asks for. An
 * error of its own takes the place of the provider's, for the hooks that come after and, unless another try
 * succeeds, for the caller.
 */
export type FailureAction =
  | { readonly _tag: "Retry"; readonly error?: ProviderError | undefined }
  | { readonly _tag: "Proceed"; readonly error: ProviderError }

export interface Hook {
  readonly name: string
  /** Before anything else: refuses the call, or passes it on, changed or not. */
  readonly preCall?: ((call: Call) => Effect.Effect<Call, CallError>) | undefined
  /** Which candidates can serve the call, and in which rank. */
  readonly filterDeployments?:
    | ((call: RoutedCall, candidates: ReadonlyArray<Candidate>) => Effect.Effect<ReadonlyArray<Candidate>, CallError>)
    | undefined
  /** Makes the request ready for this deployment. An `AccountFailure` makes way for the next candidate. */
  readonly preDeployment?:
    | ((
        call: ModelCall,
        deployment: Deployment,
        request: DeploymentRequest
      ) => Effect.Effect<DeploymentRequest, CallError | AccountFailure>)
    | undefined
  /**
   * After success: refuses the answer, or passes it on, changed or not, under its own tag. The scope lasts as long as
   * the answer is used.
   */
  readonly postCall?: ((call: Call, answer: Answer) => Effect.Effect<Answer, CallError, Scope.Scope>) | undefined
  /** Learns of failures. Null: nothing to say. What it says of a `CallFailed` has no effect. */
  readonly onFailure?: ((call: Call, failure: Failure) => Effect.Effect<FailureAction | null>) | undefined
  /** Learns of what has become of files and jobs, after it has been recorded. */
  readonly onEvent?: ((event: Event) => Effect.Effect<void>) | undefined
}

/** The hooks of an installation, managed files among them. */
export class Hooks extends Context.Service<Hooks, ReadonlyArray<Hook>>()("@omnifile/core/Hooks") {}

const modelTags: ReadonlySet<string> = new Set<ModelOperation["_tag"]>([
  "ChatCompletion",
  "CreateResponse",
  "CreateMessage",
  "CountTokens",
  "Forward"
])

const jobTags: ReadonlySet<string> = new Set<Exclude<RoutedOperation, ModelOperation>["_tag"]>([
  "CreateBatch",
  "CreateFineTuningJob"
])

export const isModelCall = (call: Call): call is ModelCall => modelTags.has(call.operation._tag)

export const isRoutedCall = (call: Call): call is RoutedCall => isModelCall(call) || jobTags.has(call.operation._tag)

type Step = Exclude<keyof Hook, "name">

/** The functions of one step, in order, taken out once so that a call does not look for them. */
export const stepsOf = <S extends Step>(hooks: ReadonlyArray<Hook>, step: S): ReadonlyArray<NonNullable<Hook[S]>> =>
  hooks.flatMap((hook) => {
    const run = hook[step]
    return run === undefined ? [] : [run as NonNullable<Hook[S]>]
  })
