/** Fills a registry with files, through the Registry service but a thousand to a commit. */
import * as Access from "@omnifile/core/Access"
import { ManagedFile, Replica } from "@omnifile/core/ManagedFile"
import * as Registry from "@omnifile/core/Registry"
import { type Change, RegistryBackend } from "@omnifile/core/RegistryBackend"
import { UnifiedIds } from "@omnifile/core/UnifiedId"
import * as Uuid from "@omnifile/core/Uuid"
import * as Backends from "@omnifile/node/Backends"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { attach, readOptions } from "../harness/Control.ts"
import { type Installation, models, openOptions, user } from "./Installation.ts"

export interface SeedAmount {
  readonly files: number
  /** How many IDs are wanted, at most. */
  readonly ids: number
}

export type SeedCommands = {
  /** Adds files to an empty registry, and answers the IDs of some, evenly spread from the oldest to the newest. */
  readonly seed: (amount: SeedAmount) => Promise<ReadonlyArray<string>>
}

const installation = readOptions<Installation>()
const { configuration } = await Effect.runPromise(openOptions(installation))

const batchSize = 1_000
const pending: Array<Change> = []

const batched = Layer.effect(
  RegistryBackend,
  Effect.map(RegistryBackend, (backend) => ({
    ...backend,
    commit: (changes: ReadonlyArray<Change>) => Effect.sync(() => void pending.push(...changes))
  }))
)

const makeFile = (key: string, id: string, remoteId: string, createdAt: number, index: number): ManagedFile =>
  new ManagedFile({
    key,
    id,
    state: "ready",
    owner: new Access.Owner({ user, team: null, keyHash: null }),
    filename: `document-${index}.pdf`,
    bytes: 120_000 + index,
    sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    declaredType: "application/pdf",
    contentType: "application/pdf",
    purpose: "user_data",
    createdAt,
    expiresAt: null,
    models: [models.a],
    kept: true,
    replicas: [
      new Replica({
        account: "a",
        variant: "original",
        state: "ready",
        remoteId,
        instance: null,
        expiresAt: null,
        createdAt,
        updatedAt: createdAt,
        error: null
      })
    ],
    lostUploads: [],
    instance: null,
    idempotency: null,
    dueAt: null,
    attempts: 0
  })

const seed = Effect.fnUntraced(function* (amount: SeedAmount) {
  const backend = yield* RegistryBackend
  const ids = yield* UnifiedIds
  const registry = yield* Effect.provide(Registry.Registry, Layer.provide(Registry.layer, batched))
  const made: Array<string> = []
  const first = Date.now() - amount.files
  const step = Math.max(1, Math.floor(amount.files / amount.ids))
  for (let index = 0; index < amount.files; index++) {
    const uuid = yield* Uuid.make
    const providerFileId = `file-${String(index).padStart(22, "0")}`
    const contentType = "application/pdf"
    const id = ids.encode({ _tag: "File", uuid, contentType, models: [models.a], providerFileId, deployment: "a" })
    if (index % step === 0) made.push(id)
    yield* registry.insertFile(makeFile(uuid, id, providerFileId, first + index, index))
    if (pending.length >= batchSize || index === amount.files - 1) yield* backend.commit(pending.splice(0))
  }
  return made
})

const secret = configuration.secret.current
if (secret === null) throw new TypeError("The installation has no secret")
const services = Layer.mergeAll(Backends.layer(configuration), UnifiedIds.layerSealed({ current: secret }))

attach<SeedCommands>(0, {
  seed: (amount) => Effect.runPromise(Effect.provide(seed(amount), services))
})
