/**
 * Calls that a deployment serves: candidates, filters, choice, and the next candidate when one fails in a way
 * that another may not. Once an answer has begun there is no other try.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type { Deployment } from "./Account.ts"
import * as Bytes from "./Bytes.ts"
import {
  AccountFailure,
  type CallError,
  ModelNotFound,
  ProviderRefused,
  ProvidersFailed,
  RateLimited
} from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import { Deployments } from "./Deployments.ts"
import { type Candidate, type DeploymentRequest, type FailureAction, Hooks, type ModelCall, stepsOf } from "./Hooks.ts"
import type { RequestBody, TransportResponse } from "./HttpTransport.ts"
import { type Edit, splice } from "./JsonEdit.ts"
import { ProviderError } from "./ProviderError.ts"
import * as Span from "./Span.ts"
import { Upstream } from "./Upstream.ts"

export interface Served {
  readonly deployment: Deployment
  /** The head of the answer; its body is read by who asked. */
  readonly response: TransportResponse
}

export class ModelCalls extends Context.Service<
  ModelCalls,
  {
    /** Succeeds when a deployment answers with success. The scope gives up what is left of the answer. */
    readonly serve: (call: ModelCall) => Effect.Effect<Served, CallError, Scope.Scope>
  }
>()("@omnifile/core/ModelCalls") {}

const make = Effect.gen(function* () {
  const catalog = yield* Catalog
  const deployments = yield* Deployments
  const hooks = yield* Hooks
  const upstream = yield* Upstream
  const filters = stepsOf(hooks, "filterDeployments")
  const preparations = stepsOf(hooks, "preDeployment")
  const onFailures = stepsOf(hooks, "onFailure")

  const candidatesOf = Effect.fnUntraced(function* (call: ModelCall) {
    const { model } = call.operation
    let candidates: ReadonlyArray<Candidate> = catalog
      .deployments(model, call.principal)
      .map((deployment) => ({ deployment, rank: 0 }))
    if (candidates.length === 0) return yield* new ModelNotFound({ model })
    for (const filter of filters) candidates = yield* filter(call, candidates)
    if (candidates.length === 0) return yield* new ModelNotFound({ model })
    return yield* deployments.order(candidates)
  })

  const attempt = Effect.fnUntraced(function* (call: ModelCall, deployment: Deployment) {
    const target = catalog.accounts.get(deployment.account)
    if (target === undefined) {
      return yield* Effect.fail(
        new AccountFailure({ account: deployment.account, message: "is not configured", timedOut: false })
      )
    }
    const { body, model, modelTokens } = call.operation
    // Of several tokens a provider may believe another one than we did: then all of them are replaced.
    const asItIs = deployment.model === model && modelTokens.length === 1
    let request: DeploymentRequest = {
      edits: asItIs ? [] : modelTokens.map((token) => ({ ...token, value: deployment.model }))
    }
    for (const prepare of preparations) request = yield* prepare(call, deployment, request)
    const ended = deployments.begin(deployment)
    yield* Scope.addFinalizer(yield* Effect.scope, Effect.sync(ended))
    const response = yield* upstream
      .send(target, target.provider.chatCompletion(edited(body, request.edits)))
      .pipe(Effect.tapError(() => Effect.sync(ended)))
    deployments.succeeded(deployment)
    return { deployment, response }
  })

  const afterFailure = Effect.fnUntraced(function* (call: ModelCall, deployment: Deployment, error: ProviderError) {
    yield* deployments.failed(deployment, error)
    let retry = false
    let told = error
    for (const onFailure of onFailures) {
      const action: FailureAction | null = yield* onFailure(call, {
        _tag: "DeploymentFailed",
        deployment,
        error: told
      })
      if (action?._tag === "Retry") retry = true
      told = action?.error ?? told
    }
    return { retry, error: told }
  })

  /** One candidate, and once more if a hook mended what was wrong. */
  const tryCandidate = Effect.fnUntraced(function* (call: ModelCall, deployment: Deployment) {
    for (let tries = 1; ; tries++) {
      const outcome = yield* Effect.result(attempt(call, deployment))
      if (Result.isSuccess(outcome)) return outcome
      const error = outcome.failure
      if (!(error instanceof ProviderError)) return outcome
      const after = yield* afterFailure(call, deployment, error)
      if (!after.retry || tries > 1) return Result.fail(after.error)
    }
  })

  const serve = Effect.fnUntraced(function* (call: ModelCall) {
    const failures: Array<AccountFailure | ProviderError> = []
    for (const deployment of yield* candidatesOf(call)) {
      const outcome = yield* tryCandidate(call, deployment)
      if (Result.isSuccess(outcome)) return outcome.success
      const error = outcome.failure
      if (error instanceof ProviderError) {
        if (!error.retryable) return yield* refusal(error)
      } else if (!(error instanceof AccountFailure)) {
        return yield* Effect.fail(error)
      }
      yield* Effect.logDebug("A deployment failed", error).pipe(
        Effect.annotateLogs({ deployment: deployment.id, account: deployment.account })
      )
      failures.push(error)
    }
    return yield* exhausted(call.operation.model, failures)
  })

  return ModelCalls.of({ serve: (call) => Span.onDemand(serve(call), "ModelCalls.serve") })
})

const edited = (body: Bytes.InMemory, edits: ReadonlyArray<Edit>): RequestBody => {
  const pieces = splice(body.chunks, edits)
  const [only] = pieces
  if (only !== undefined && pieces.length === 1) return only
  const bytes = Bytes.fromArray(...pieces)
  return { bytes, length: bytes.length }
}

const accountFailure = (failure: AccountFailure | ProviderError): AccountFailure =>
  failure instanceof AccountFailure
    ? failure
    : new AccountFailure({
        account: failure.account,
        message: failure.summary,
        timedOut: failure.reason._tag === "Unreachable" && failure.reason.timedOut
      })

/** A failure that no other deployment would mend. */
const refusal = (error: ProviderError): ProviderRefused | ProvidersFailed => {
  const { account, reason } = error
  return reason._tag === "Rejected"
    ? new ProviderRefused({
        account,
        status: reason.status,
        message: reason.message,
        type: reason.type,
        param: reason.param,
        code: reason.code
      })
    : new ProvidersFailed({ message: `The account ${account} ${error.summary}.`, failures: [accountFailure(error)] })
}

const exhausted = (
  model: string,
  failures: ReadonlyArray<AccountFailure | ProviderError>
): RateLimited | ProvidersFailed => {
  const waits = failures.flatMap((failure) =>
    failure instanceof ProviderError && failure.reason._tag === "Throttled" ? [failure.reason.retryAfter] : []
  )
  if (waits.length === failures.length) {
    const known = waits.filter((wait) => wait !== null)
    return new RateLimited({
      message: `Every deployment of ${model} is rate limited.`,
      retryAfter: known.length === 0 ? null : Math.min(...known)
    })
  }
  const accounts = failures.map(accountFailure)
  const reasons = [...new Set(accounts.map(({ account, message }) => `${account} ${message}`))]
  return new ProvidersFailed({
    message: `No deployment of ${model} could serve the call: ${reasons.join("; ")}.`,
    failures: accounts
  })
}

export const layer: Layer.Layer<ModelCalls, never, Catalog | Deployments | Hooks | Upstream> = Layer.effect(
  ModelCalls,
  make
)
