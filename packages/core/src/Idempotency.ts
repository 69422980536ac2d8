/**
 * One create for one `Idempotency-Key` of one caller: the first claims the key, equal requests get what it made,
 * different ones are refused, and a create that fails frees the key. What the key stands for is decided by
 * the row that holds it, so a crash leaves nothing to repair here.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type CallError, Conflicting } from "./CallError.ts"
import type { Principal } from "./Principal.ts"
import { Registry } from "./Registry.ts"
import { IdempotencyRecord } from "./RegistryRecords.ts"
import { Settings } from "./Settings.ts"
import { hexOfText, Sha256 } from "./Sha256.ts"
import type { StorageError } from "./StorageError.ts"

/** What has become of the row that holds a key. */
export type Holder<A> =
  /** It was made, and this is it. */
  | { readonly _tag: "Done"; readonly value: A }
  /** Somebody is at it. */
  | { readonly _tag: "Working" }
  /** There is none any more: the key is free. */
  | { readonly _tag: "Gone" }

export interface Claim<A> {
  /** The collection of the rows that this kind of create makes. */
  readonly collection: string
  /** The key of the row that this create is to make. */
  readonly row: string
  /** The `Idempotency-Key`. */
  readonly key: string
  /** Everything by which two requests differ. */
  readonly fingerprint: ReadonlyArray<unknown>
  /** Looks at the row of another create that holds the key. */
  readonly holder: (row: string) => Effect.Effect<Holder<A>, StorageError>
  /**
   * Writes our row so that it names the record's key, in one commit with the record in place of version `replaces` (0:
   * of none). `Contended` if another change of the record came first, `Refused` if the row cannot be written any more.
   */
  readonly take: (
    record: IdempotencyRecord,
    replaces: number
  ) => Effect.Effect<"Claimed" | "Contended" | "Refused", CallError>
}

export class Idempotency extends Context.Service<
  Idempotency,
  {
    /**
     * Takes the key for our row and answers null, also if the row could not be written; or answers what an equal
     * request has made under the key, after waiting for it. `Conflicting` for another request under the same key, and
     * when the equal one takes too long.
     */
    readonly claim: <A>(principal: Principal, claim: Claim<A>) => Effect.Effect<A | null, CallError>
  }
>()("@omnifile/core/Idempotency") {}

const pollInterval = Duration.millis(100)

/** How long an equal request waits for the first one, in milliseconds. */
const patience = 60_000

const mismatch = new Conflicting({
  message: "This Idempotency-Key has been used for a request with other content or fields.",
  code: "idempotency_key_mismatch"
})
const inProgress = new Conflicting({
  message: "A request with this Idempotency-Key is still in progress.",
  code: "idempotency_key_in_use"
})

const make = Effect.gen(function* () {
  const registry = yield* Registry
  const sha256 = yield* Sha256
  const { idempotencyTtl } = yield* Settings

  const digest = (...parts: ReadonlyArray<unknown>) => hexOfText(sha256, JSON.stringify(parts))

  return Idempotency.of({
    claim: Effect.fn("Idempotency.claim")(function* (principal, claim) {
      const { collection, holder, key, row, take } = claim
      const recordKey = digest(
        principal.user,
        principal.team,
        principal.user ?? principal.team ?? principal.keyHash,
        key
      )
      const fingerprint = digest(...claim.fingerprint)
      const started = yield* Clock.currentTimeMillis
      for (;;) {
        const now = yield* Clock.currentTimeMillis
        const held = yield* registry.idempotency(recordKey)
        if (held !== undefined && held.value.expiresAt > now) {
          // Keys of other kinds of creates count too: one request, one key.
          if (held.value.collection !== collection) return yield* mismatch
          const found = yield* holder(held.value.file)
          if (found._tag !== "Gone" && held.value.fingerprint !== fingerprint) return yield* mismatch
          if (found._tag === "Done") return found.value
          if (found._tag === "Working") {
            if (now - started >= patience) return yield* inProgress
            yield* Effect.sleep(pollInterval)
            continue
          }
        }
        const expiresAt = now + idempotencyTtl
        const record = new IdempotencyRecord({ key: recordKey, fingerprint, collection, file: row, expiresAt })
        const outcome = yield* take(record, held?.version ?? 0)
        if (outcome !== "Contended") return null
      }
    })
  })
})

export const layer: Layer.Layer<Idempotency, never, Registry | Sha256> = Layer.effect(Idempotency, make)
