/** From the ID that a client wrote to the file that it may use, or to nothing: the way of every operation. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Access from "./Access.ts"
import { NotFound } from "./CallError.ts"
import * as LitellmId from "./LitellmId.ts"
import { isVisible, type ManagedFile } from "./ManagedFile.ts"
import type { Principal } from "./Principal.ts"
import { Registry } from "./Registry.ts"
import { Sha256 } from "./Sha256.ts"
import type { StorageError } from "./StorageError.ts"
import { UnifiedIds } from "./UnifiedId.ts"

export class FileLookup extends Context.Service<
  FileLookup,
  {
    /**
     * The file, if it exists and the principal may see it. Whatever else is the case, `NotFound` says the
     * same. A forged ID reaches no storage. `param` is where in a body the ID stood.
     */
    readonly find: (
      principal: Principal,
      id: string,
      param?: string | null
    ) => Effect.Effect<ManagedFile, NotFound | StorageError>
    /** Several at once, in the order in which they are named; the first that cannot be used fails all. */
    readonly findAll: (
      principal: Principal,
      references: ReadonlyArray<{ readonly id: string; readonly param: string }>
    ) => Effect.Effect<ReadonlyArray<ManagedFile>, NotFound | StorageError>
    /** The same for rows that are deleted and still remembered: what a list may continue after. */
    readonly findCursor: (principal: Principal, id: string) => Effect.Effect<ManagedFile, NotFound | StorageError>
  }
>()("@omnifile/core/FileLookup") {}

const make = Effect.gen(function* () {
  const registry = yield* Registry
  const ids = yield* UnifiedIds
  const sha256 = yield* Sha256

  /** Ours are keyed by the UUID inside; imported ones by a digest of the ID. */
  const keyOf = (id: string): string | undefined => {
    const identity = ids.decode("file", id)
    if (Option.isSome(identity)) return identity.value.uuid
    return Option.isSome(LitellmId.recognise(id)) ? LitellmId.rowKey(sha256, id) : undefined
  }

  const check = (
    principal: Principal,
    file: ManagedFile | undefined,
    id: string,
    accepts: (file: ManagedFile) => boolean
  ): file is ManagedFile =>
    file !== undefined && file.id === id && accepts(file) && Access.maySee(principal, file.owner)

  const find = Effect.fnUntraced(function* (principal: Principal, id: string, param: string | null = null) {
    const key = keyOf(id)
    const file = key === undefined ? undefined : yield* registry.file(key)
    const now = yield* Clock.currentTimeMillis
    return check(principal, file, id, (found) => isVisible(found, now)) ? file : yield* new NotFound({ id, param })
  })

  const findAll = Effect.fnUntraced(function* (
    principal: Principal,
    references: ReadonlyArray<{ readonly id: string; readonly param: string }>
  ) {
    const keys: Array<string> = []
    for (const { id, param } of references) {
      const key = keyOf(id)
      if (key === undefined) return yield* new NotFound({ id, param })
      keys.push(key)
    }
    const rows = yield* registry.files(keys)
    const now = yield* Clock.currentTimeMillis
    const files: Array<ManagedFile> = []
    for (const [index, { id, param }] of references.entries()) {
      const file = rows[index]
      if (!check(principal, file, id, (found) => isVisible(found, now))) return yield* new NotFound({ id, param })
      files.push(file)
    }
    return files
  })

  return FileLookup.of({
    find,
    findAll,
    findCursor: Effect.fnUntraced(function* (principal, id) {
      const key = keyOf(id)
      const file = key === undefined ? undefined : yield* registry.file(key)
      return check(principal, file, id, () => true) ? file : yield* new NotFound({ id, param: "after" })
    })
  })
})

export const layer: Layer.Layer<FileLookup, never, Registry | Sha256 | UnifiedIds> = Layer.effect(FileLookup, make)
