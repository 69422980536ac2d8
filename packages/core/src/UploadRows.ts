/** The rows of uploads in parts: found by the ID that a client wrote, and changed by compare-and-set. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Access from "./Access.ts"
import { NotFound } from "./CallError.ts"
import type { Principal } from "./Principal.ts"
import { Registry } from "./Registry.ts"
import type { StorageError } from "./StorageError.ts"
import { isConflict } from "./StorageError.ts"
import { UnifiedIds } from "./UnifiedId.ts"
import type { UploadSession } from "./UploadSession.ts"

export class UploadRows extends Context.Service<
  UploadRows,
  {
    /**
     * The upload, in whatever state, if it exists and the principal may see it. Whatever else is the case, `NotFound`
     * says the same. A forged ID reaches no storage.
     */
    readonly find: (principal: Principal, id: string) => Effect.Effect<UploadSession, NotFound | StorageError>
    /** The row as it is stored now; undefined if there is none. */
    readonly read: (key: string) => Effect.Effect<UploadSession | undefined, StorageError>
    /**
     * Changes a row. `change` sees the newest row and is asked again whenever another change came first; undefined
     * leaves the row, null removes it. Answers the row as it then is, undefined if there is none.
     */
    readonly modify: (
      key: string,
      change: (session: UploadSession) => UploadSession | null | undefined
    ) => Effect.Effect<UploadSession | undefined, StorageError>
  }
>()("@omnifile/core/UploadRows") {}

/** How often a change is tried again after somebody else's came first. */
const attempts = 64

const make = Effect.gen(function* () {
  const ids = yield* UnifiedIds
  const registry = yield* Registry

  const read = (key: string) => Effect.map(registry.uploads.read(key), (found) => found?.value)

  return UploadRows.of({
    read,
    find: Effect.fnUntraced(function* (principal, id) {
      const identity = ids.decode("upload", id)
      const session = Option.isSome(identity) ? yield* read(identity.value.uuid) : undefined
      const isTheirs = session !== undefined && session.id === id && Access.maySee(principal, session.owner)
      return isTheirs ? session : yield* new NotFound({ id, param: null, object: "Upload" })
    }),
    modify: (key, change) =>
      Effect.retry(
        Effect.gen(function* () {
          const found = yield* registry.uploads.read(key)
          if (found === undefined) return undefined
          const after = change(found.value)
          if (after === undefined) return found.value
          yield* registry.commit([
            after === null
              ? registry.uploads.removal(found.version, key)
              : registry.uploads.change(found.version, after)
          ])
          return after ?? undefined
        }),
        { times: attempts, while: isConflict }
      )
  })
})

export const layer: Layer.Layer<UploadRows, never, Registry | UnifiedIds> = Layer.effect(UploadRows, make)
