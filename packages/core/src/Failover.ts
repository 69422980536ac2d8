/**
 * Which deployment does something, and which is next when one fails in a way that another may not: candidates,
 * filters, choice, cool-down, hooks. What is done at each is the caller's.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type { Deployment } from "./Account.ts"
import {
  AccountFailure,
  type CallError,
  ContentUnavailable,
  invalid,
  ModelNotFound,
  ProviderRefused,
  ProvidersFailed,
  RateLimited
} from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import { Deployments } from "./Deployments.ts"
import { type Candidate, type FailureAction, Hooks, type RoutedCall, stepsOf } from "./Hooks.ts"
import type { RoutedOperation } from "./Operation.ts"
import type { Provider } from "./Provider.ts"
import { ProviderError } from "./ProviderError.ts"
import type { ProviderAccount } from "./Upstream.ts"

export interface Options {
  /**
   * An attempt that may have been accepted and has no answer ends the call, whatever else could be tried: a second one
   * would do what must be done once. An answer that tells of a fault is for the attempt itself to look into.
   */
  readonly once?: boolean | undefined
  /** The ID of the deployment that is tried before all others. */
  readonly first?: string | undefined
}

export class Failover extends Context.Service<
  Failover,
  {
    /** The deployments that may serve the call, in the order in which they would be tried. */
    readonly candidates: (call: RoutedCall, model: string) => Effect.Effect<ReadonlyArray<Deployment>, CallError>
    /**
     * Makes attempts at deployments of a model until one succeeds. The scope holds what the attempt's result still
     * needs; while it is open the deployment counts as busy.
     */
    readonly run: <A>(
      call: RoutedCall,
      model: string,
      attempt: (
        deployment: Deployment,
        target: ProviderAccount
      ) => Effect.Effect<A, ProviderError | AccountFailure | CallError, Scope.Scope>,
      options?: Options
    ) => Effect.Effect<A, CallError, Scope.Scope>
  }
>()("@omnifile/core/Failover") {}

/** Whether the provider has a wire for the operation. */
const speaks = (provider: Provider, { _tag }: RoutedOperation): boolean => {
  switch (_tag) {
    case "ChatCompletion":
      return provider.chatCompletion !== null || provider.chat !== null
    case "CreateResponse":
      return provider.responses !== null || provider.chat !== null
    case "CreateMessage":
      return provider.messages !== null
    case "CountTokens":
      return provider.countTokens !== null
    case "Forward":
      return provider.forward !== null
    case "CreateBatch":
      return provider.batches !== null || provider.foreignBatches !== null
    case "CreateFineTuningJob":
      return provider.fineTuning !== null
  }
}

const wires: Readonly<Record<RoutedOperation["_tag"], string>> = {
  ChatCompletion: "chat completions",
  CreateResponse: "the Responses API",
  CreateMessage: "the Messages API",
  CountTokens: "the counting of tokens",
  Forward: "this call",
  CreateBatch: "batches",
  CreateFineTuningJob: "fine-tuning"
}

const make = Effect.gen(function* () {
  const catalog = yield* Catalog
  const deployments = yield* Deployments
  const hooks = yield* Hooks
  const filters = stepsOf(hooks, "filterDeployments")
  const onFailures = stepsOf(hooks, "onFailure")

  /** Those on the account that the call is pinned to, its very deployment first. */
  const pinned = (call: RoutedCall, model: string, served: ReadonlyArray<Deployment>) => {
    const { pin } = call
    if (pin === null) return Effect.succeed(served.map((deployment) => ({ deployment, rank: 0 })))
    if (!catalog.accounts.has(pin.account)) {
      const message = "What this call goes on from lies in an account that is not configured any more."
      return Effect.fail(new ContentUnavailable({ id: "", message }))
    }
    const there = served.filter(({ account }) => account === pin.account)
    return there.length === 0
      ? Effect.fail(invalid(`The model ${model} is not served where that lies which this call goes on from.`, "model"))
      : Effect.succeed(there.map((deployment) => ({ deployment, rank: deployment.id === pin.deployment ? -1 : 0 })))
  }

  const candidatesOf = Effect.fnUntraced(function* (call: RoutedCall, model: string) {
    const all = catalog.deployments(model, call.principal)
    if (all.length === 0) return yield* new ModelNotFound({ model })
    const spoken = all.filter((deployment) => {
      const target = catalog.targetOf(deployment)
      return target !== undefined && speaks(target.provider, call.operation)
    })
    if (spoken.length === 0) {
      const wire = wires[call.operation._tag]
      return yield* invalid(`The model ${model} is not served by an account that speaks ${wire}.`, "model")
    }
    let candidates: ReadonlyArray<Candidate> = yield* pinned(call, model, spoken)
    for (const filter of filters) candidates = yield* filter(call, candidates)
    if (candidates.length === 0) return yield* new ModelNotFound({ model })
    return yield* deployments.order(candidates)
  })

  const afterFailure = Effect.fnUntraced(function* (call: RoutedCall, deployment: Deployment, error: ProviderError) {
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

  /** An attempt during which the deployment counts as busy, and after it as long as its result is used. */
  const counted = Effect.fnUntraced(function* <A>(
    deployment: Deployment,
    attempt: Effect.Effect<A, ProviderError | AccountFailure | CallError, Scope.Scope>
  ) {
    const ended = deployments.begin(deployment)
    yield* Scope.addFinalizer(yield* Effect.scope, Effect.sync(ended))
    const result = yield* attempt.pipe(Effect.tapError(() => Effect.sync(ended)))
    deployments.succeeded(deployment)
    return result
  })

  /** One candidate, and once more if a hook mended what was wrong. */
  const tryCandidate = Effect.fnUntraced(function* <A>(
    call: RoutedCall,
    deployment: Deployment,
    attempt: Effect.Effect<A, ProviderError | AccountFailure | CallError, Scope.Scope>,
    { once = false }: Options
  ) {
    for (let tries = 1; ; tries++) {
      const outcome = yield* Effect.result(counted(deployment, attempt))
      if (Result.isSuccess(outcome)) return outcome
      const error = outcome.failure
      if (!(error instanceof ProviderError)) return outcome
      const after = yield* afterFailure(call, deployment, error)
      if (!after.retry || tries > 1 || (once && isUnanswered(error))) return Result.fail(after.error)
    }
  })

  return Failover.of({
    candidates: candidatesOf,
    run: Effect.fnUntraced(function* (call, model, attempt, options = {}) {
      const failures: Array<AccountFailure | ProviderError> = []
      const ordered = yield* candidatesOf(call, model)
      for (const deployment of firstOf(ordered, options.first)) {
        const target = catalog.targetOf(deployment)
        if (target === undefined) continue
        const outcome = yield* tryCandidate(call, deployment, attempt(deployment, target), options)
        if (Result.isSuccess(outcome)) return outcome.success
        const error = outcome.failure
        if (error instanceof ProviderError) {
          if (!error.elsewhere || (options.once === true && isUnanswered(error))) return yield* refusal(error)
        } else if (!(error instanceof AccountFailure)) {
          return yield* Effect.fail(error)
        }
        yield* Effect.logDebug("A deployment failed", error).pipe(
          Effect.annotateLogs({ deployment: deployment.id, account: deployment.account })
        )
        failures.push(error)
      }
      return yield* exhausted(model, failures)
    })
  })
})

const firstOf = (ordered: ReadonlyArray<Deployment>, first: string | undefined): ReadonlyArray<Deployment> => {
  if (first === undefined) return ordered
  const isFirst = ({ id }: Deployment) => id === first
  return [...ordered.filter(isFirst), ...ordered.filter((other) => !isFirst(other))]
}

const isUnanswered = ({ maybeAccepted, reason }: ProviderError): boolean => maybeAccepted && reason._tag !== "Faulty"

const accountFailure = (failure: AccountFailure | ProviderError): AccountFailure =>
  failure instanceof AccountFailure
    ? failure
    : new AccountFailure({
        account: failure.account,
        message: failure.summary,
        timedOut: failure.reason._tag === "Unreachable" && failure.reason.timedOut
      })

/** A failure that no other deployment would mend, or may. */
export const refusal = (error: ProviderError): ProviderRefused | ProvidersFailed | RateLimited => {
  const { account, reason } = error
  switch (reason._tag) {
    case "Rejected":
      return new ProviderRefused({
        account,
        status: reason.status,
        message: reason.message,
        type: reason.type,
        param: reason.param,
        code: reason.code
      })
    case "Throttled":
      return new RateLimited({ message: `The account ${account} is rate limited.`, retryAfter: reason.retryAfter })
    default:
      return new ProvidersFailed({
        message: `The account ${account} ${error.summary}.`,
        failures: [accountFailure(error)]
      })
  }
}

const isRejection = (failure: AccountFailure | ProviderError): boolean =>
  failure instanceof ProviderError && failure.reason._tag === "Rejected"

const exhausted = (
  model: string,
  failures: ReadonlyArray<AccountFailure | ProviderError>
): RateLimited | ProvidersFailed | ProviderRefused => {
  const [first] = failures
  // The request is to blame, as they all say.
  if (first instanceof ProviderError && failures.every(isRejection)) return refusal(first)
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

export const layer: Layer.Layer<Failover, never, Catalog | Deployments | Hooks> = Layer.effect(Failover, make)
