/**
 * This process among those that share a Registry, and what it has in hand. It says again and again that it
 * lives; what a dead one left half done is for the others, or its successor, to finish or undo.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Registry } from "./Registry.ts"
import { Settings } from "./Settings.ts"
import type { StorageError } from "./StorageError.ts"
import * as Uuid from "./Uuid.ts"

export class Instance extends Context.Service<
  Instance,
  {
    readonly id: string
    /** Has a piece of work in hand until the scope closes. */
    readonly hold: (work: string) => Effect.Effect<void, never, Scope.Scope>
    /**
     * Whether an instance may still be at a piece of work: this one while it has it in hand, another one while
     * it lives.
     */
    readonly mayBeAt: (instance: string, work: string) => Effect.Effect<boolean, StorageError>
  }
>()("@omnifile/core/Instance") {}

/** The work of making a file. */
export const creationOf = (key: string): string => `create ${key}`

/** The work of copying a variant of a file to an account. */
export const uploadOf = (key: string, account: string, variant: string): string => `upload ${key} ${account} ${variant}`

/** Between two looks for instances that were killed and will not come back. */
const forgetInterval = Duration.hours(1)

const make = Effect.gen(function* () {
  const registry = yield* Registry
  const { instanceTtl } = yield* Settings
  const id = yield* Uuid.make

  const beat = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    yield* registry.heartbeat(id, now + instanceTtl)
  })
  yield* beat
  yield* Effect.forever(
    Effect.sleep(Duration.millis(Math.floor(instanceTtl / 3))).pipe(
      Effect.andThen(beat),
      Effect.catch((error) => Effect.logWarning("The heartbeat could not be written", error))
    )
  ).pipe(Effect.forkScoped)
  yield* Effect.addFinalizer(() => Effect.ignore(registry.removeInstance(id)))
  yield* Effect.forever(
    Clock.currentTimeMillis.pipe(
      Effect.flatMap(registry.forgetInstances),
      Effect.catch((error) => Effect.logWarning("Dead instances could not be taken from the list", error)),
      Effect.andThen(Effect.sleep(forgetInterval))
    )
  ).pipe(Effect.forkScoped)

  /** How often each piece of work is in hand. */
  const inHand = new Map<string, number>()
  const take = (work: string) => Effect.sync(() => void inHand.set(work, (inHand.get(work) ?? 0) + 1))
  const drop = (work: string) =>
    Effect.sync(() => {
      const left = (inHand.get(work) ?? 1) - 1
      if (left === 0) inHand.delete(work)
      else inHand.set(work, left)
    })

  return Instance.of({
    id,
    hold: (work) => Effect.acquireRelease(take(work), () => drop(work)),
    mayBeAt: (instance, work) =>
      instance === id
        ? Effect.sync(() => inHand.has(work))
        : Effect.flatMap(Clock.currentTimeMillis, (now) => registry.isAlive(instance, now))
  })
})

export const layer: Layer.Layer<Instance, StorageError, Registry> = Layer.effect(Instance, make)
