/** How a call to a provider fails, and what follows from it. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { refusalMeanings } from "./Provider.ts"

/** 429: the account is asked to wait, `retryAfter` milliseconds where the provider says so. */
export class Throttled extends Schema.TaggedError<Throttled>()("Throttled", {
  retryAfter: Schema.NullOr(Schema.Finite)
}) {}

/** 5xx, or an answer that is none. */
export class Faulty extends Schema.TaggedError<Faulty>()("Faulty", {
  status: Schema.Int,
  message: Schema.String
}) {}

/** No connection, or it broke. */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", {
  timedOut: Schema.Boolean,
  cause: Schema.Defect()
}) {}

/** 401 or 403: the account's credentials are not accepted. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()("Unauthorized", { status: Schema.Int }) {}

/** Any other 4xx: the request itself is refused. */
export class Rejected extends Schema.TaggedError<Rejected>()("Rejected", {
  status: Schema.Int,
  message: Schema.String,
  type: Schema.NullOr(Schema.String),
  param: Schema.NullOr(Schema.String),
  code: Schema.NullOr(Schema.String),
  /** What it means beyond its status, where the provider's words say so. */
  meaning: Schema.NullOr(Schema.Literals(refusalMeanings)).pipe(
    Schema.withDecodingDefaultKey(Effect.succeed(null)),
    Schema.withConstructorDefault(Effect.succeed(null))
  )
}) {}

/** A success whose body could not be understood. */
export class Unintelligible extends Schema.TaggedError<Unintelligible>()("Unintelligible", {
  message: Schema.String
}) {}

export class ProviderError extends Schema.TaggedError<ProviderError>()("ProviderError", {
  account: Schema.String,
  /** The call, such as `files.create`. */
  call: Schema.String,
  reason: Schema.Union([Throttled, Faulty, Unreachable, Unauthorized, Rejected, Unintelligible]),
  /** The provider may have acted on the call although no usable answer came. */
  maybeAccepted: Schema.Boolean
}) {
  /** Another try, or another deployment, may succeed. */
  get retryable(): boolean {
    const tag = this.reason._tag
    return tag === "Throttled" || tag === "Faulty" || tag === "Unreachable"
  }

  /** Another deployment may do what this one would not, however often it is tried. */
  get elsewhere(): boolean {
    const { reason } = this
    return this.retryable || (reason._tag === "Rejected" && reason.meaning === "too_large")
  }

  /** The provider says that what the call names is not there. */
  get absent(): boolean {
    const { reason } = this
    return reason._tag === "Rejected" && (reason.status === 404 || reason.status === 410 || reason.meaning === "gone")
  }

  /** In words that name no URL, key or provider ID. */
  get summary(): string {
    const reason = this.reason
    switch (reason._tag) {
      case "Throttled":
        return "is rate limiting (429)"
      case "Faulty":
        return `answered ${reason.status}`
      case "Unreachable":
        return reason.timedOut ? "did not answer in time" : "could not be reached or broke off the connection"
      case "Unauthorized":
        return `refused the gateway's credentials (${reason.status})`
      case "Rejected":
        return `refused the request (${reason.status}): ${reason.message}`
      case "Unintelligible":
        return `gave an answer that could not be understood: ${reason.message}`
    }
  }

  override get message(): string {
    return `${this.call}: account ${this.account} ${this.summary}`
  }
}

/** Bounds what is asked of an account in the background, where `call` names what is done. */
export const inTime =
  (call: string, account: string, duration: Duration.Input) =>
  <A, E, R>(run: Effect.Effect<A, E, R>): Effect.Effect<A, E | ProviderError, R> =>
    Effect.timeoutOrElse(run, {
      duration,
      orElse: () =>
        Effect.fail(
          new ProviderError({
            account,
            call,
            reason: new Unreachable({ timedOut: true, cause: "no answer in time" }),
            maybeAccepted: false
          })
        )
    })
