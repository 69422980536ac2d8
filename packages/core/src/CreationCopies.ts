/**
 * Which copies a new file gets at once, and of what. A batch's input for target models is copied in the form that each
 * deployment of them understands, because nobody could use the original there.
 */
import * as Effect from "effect/Effect"
import * as BatchReading from "./BatchReading.ts"
import type { BatchSummary } from "./BatchSummary.ts"
import * as BatchVariant from "./BatchVariant.ts"
import { BlobStore } from "./BlobStore.ts"
import { Catalog } from "./Catalog.ts"
import * as ContentType from "./ContentType.ts"
import type { CopySource } from "./CopySource.ts"
import type { Received } from "./Intake.ts"
import type { CreateFile } from "./Operation.ts"
import type { Principal } from "./Principal.ts"
import { Settings } from "./Settings.ts"
import { Sha256 } from "./Sha256.ts"
import type { StorageError } from "./StorageError.ts"

export interface PlannedCopy {
  readonly account: string
  /** Undefined for the file's own bytes. */
  readonly source: CopySource | undefined
}

export interface CreationPlan {
  readonly copies: ReadonlyArray<PlannedCopy>
  /** What the lines of a batch's input say, if they have been read and are all right. */
  readonly lines: BatchSummary | null
}

export const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const catalog = yield* Catalog
  const { allowProviderIds, keepContent } = yield* Settings
  const sha256 = yield* Sha256

  /** Null if the content is no batch's input: it is then copied as it is, for whatever it may be good. */
  const summarise = ({ bytes, key }: Received): Effect.Effect<BatchSummary | null, StorageError> =>
    bytes > BatchReading.mostBytes
      ? Effect.succeed(null)
      : Effect.scoped(
          Effect.flatMap(blobs.open(key), (content) =>
            BatchReading.summarise(content, { allowProviderIds, sha256 }).pipe(
              Effect.catchTag(["InvalidRequest", "ContentBroken"], () => Effect.succeed(null))
            )
          )
        )

  /** Whether it is any use to upload the file there: an account that takes no such files is left out. */
  const takes = (account: string, { content, declaredType, filename, purpose }: CreateFile): boolean => {
    const target = catalog.accounts.get(account)
    // Calls get their files within them there, and only jobs read copies.
    if (target?.account.files === "inline" && purpose !== "batch" && purpose !== "fine-tune") return false
    const mediaType = ContentType.detect(declaredType, filename, content.head)
    const file = { filename, contentType: ContentType.parse(declaredType) ?? mediaType, mediaType, purpose }
    return target?.provider.files?.takes(file) === true
  }

  const originals = (operation: CreateFile, models: ReadonlyArray<string>): ReadonlyArray<PlannedCopy> =>
    [...new Set(models.flatMap((model) => catalog.accountsOf(model)))]
      .filter((account) => takes(account, operation))
      .map((account) => ({ account, source: undefined }))

  /** One for each name that an account's deployments have for the models, where batches are in OpenAI's wire. */
  const variants = (operation: CreateFile, lines: BatchSummary): ReadonlyArray<PlannedCopy> => {
    const { content, models } = operation
    const found = new Map<string, PlannedCopy>()
    for (const { account, model } of models.flatMap((name) => catalog.deploymentsOf(name))) {
      if (!takes(account, operation) || catalog.accounts.get(account)?.provider.batches === null) continue
      const rewriting = { model, files: new Map<string, string>(), allowProviderIds }
      const source = BatchVariant.source(content, lines, rewriting, sha256, blobs.open(content.key))
      found.set(`${account} ${source.variant}`, { account, source })
    }
    return [...found.values()]
  }

  return {
    plan: Effect.fnUntraced(function* (principal: Principal, operation: CreateFile) {
      const { content, models, purpose } = operation
      // Without targets copies are made on demand, from our own; if we keep none, they are made now.
      if (models.length === 0) {
        return { copies: keepContent ? [] : originals(operation, catalog.modelsOf(principal)), lines: null }
      }
      // What is not kept here can be read again only from an original.
      const lines = purpose === "batch" && keepContent ? yield* summarise(content) : null
      if (lines === null) return { copies: originals(operation, models), lines }
      // The files that the lines name need copies of their own, which are made for the batch that wants them.
      return { copies: lines.files.length > 0 ? [] : variants(operation, lines), lines }
    }) satisfies (principal: Principal, operation: CreateFile) => Effect.Effect<CreationPlan, StorageError>
  }
})
