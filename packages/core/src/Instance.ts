/**
 * This process among those that share a Registry. It says again and again that it lives; what a dead one left
 * half done is for the others, or its successor, to finish or undo.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Registry } from "./Registry.ts"
import { Settings } from "./Settings.ts"
import type { StorageError } from "./StorageError.ts"
import * as Uuid from "./Uuid.ts"

export class Instance extends Context.Service<
  Instance,
  {
    readonly id: string
    /** Whether work of that instance may still be going on. */
    readonly isAlive: (instance: string) => Effect.Effect<boolean, StorageError>
  }
>()("@omnifile/core/Instance") {}

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
    Effect.sleep(Duration.millis(instanceTtl / 3)).pipe(
      Effect.andThen(beat),
      Effect.catch((error) => Effect.logWarning("The heartbeat could not be written", error))
    )
  ).pipe(Effect.forkScoped)
  yield* Effect.addFinalizer(() => Effect.ignore(registry.removeInstance(id)))

  return Instance.of({
    id,
    isAlive: (instance) =>
      instance === id
        ? Effect.succeed(true)
        : Effect.flatMap(Clock.currentTimeMillis, (now) => registry.isAlive(instance, now))
  })
})

export const layer: Layer.Layer<Instance, StorageError, Registry> = Layer.effect(Instance, make)
