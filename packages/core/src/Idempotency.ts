/**
 * One create for one `Idempotency-Key` of one caller: the first claims the key, equal requests get its file,
 * different ones are refused, and a create that fails frees the key. What the key stands for is decided by
 * the row that holds it, so a crash leaves nothing to repair here.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type CallError, Conflicting } from "./CallError.ts"
import { isVisible, type ManagedFile, update } from "./ManagedFile.ts"
import type { CreateFile } from "./Operation.ts"
import type { Principal } from "./Principal.ts"
import { Registry } from "./Registry.ts"
import { IdempotencyRecord } from "./RegistryRecords.ts"
import { Settings } from "./Settings.ts"
import { hexOfText, Sha256 } from "./Sha256.ts"

export class Idempotency extends Context.Service<
  Idempotency,
  {
    /**
     * Changes the row of the operation's content together with its claim on the key and answers null, also if
     * `change` leaves the row or there is none; or answers the file that an equal request has made under the
     * key, after waiting for it. `Conflicting` for another request under the same key, and when the equal one
     * takes too long.
     */
    readonly claim: (
      principal: Principal,
      operation: CreateFile,
      key: string,
      change: (row: ManagedFile) => ManagedFile | undefined
    ) => Effect.Effect<ManagedFile | null, CallError>
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
    claim: Effect.fn("Idempotency.claim")(function* (principal, operation, key, change) {
      const { content, declaredType, expiresAfter, filename, models, purpose } = operation
      const recordKey = digest(
        principal.user,
        principal.team,
        principal.user ?? principal.team ?? principal.keyHash,
        key
      )
      const fingerprint = digest(content.sha256, filename, declaredType, purpose, [...models].sort(), expiresAfter)
      const started = yield* Clock.currentTimeMillis
      for (;;) {
        const now = yield* Clock.currentTimeMillis
        const held = yield* registry.idempotency(recordKey)
        const holder = held === undefined ? undefined : yield* registry.file(held.value.file)
        if (held !== undefined && holder !== undefined && held.value.expiresAt > now) {
          const alive = holder.state === "creating" || isVisible(holder, now)
          if (alive && held.value.fingerprint !== fingerprint) return yield* mismatch
          if (isVisible(holder, now)) return holder
          if (alive) {
            if (now - started >= patience) return yield* inProgress
            yield* Effect.sleep(pollInterval)
            continue
          }
        }
        const record = new IdempotencyRecord({
          key: recordKey,
          fingerprint,
          file: content.key,
          expiresAt: now + idempotencyTtl
        })
        const outcome = yield* registry.claimIdempotency(record, held?.version ?? 0, (row) => {
          const changed = change(row)
          return changed === undefined ? undefined : update(changed, { idempotency: recordKey })
        })
        if (outcome !== "Contended") return null
      }
    })
  })
})

export const layer: Layer.Layer<Idempotency, never, Registry | Sha256> = Layer.effect(Idempotency, make)
