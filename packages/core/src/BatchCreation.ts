/**
 * Making a batch: its input is read and checked line by line, a deployment is chosen by the model of the lines, and the
 * account gets the input in a form that the deployment understands.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Deployment } from "./Account.ts"
import type { CreateBatch } from "./BatchOperation.ts"
import * as BatchPreparation from "./BatchPreparation.ts"
import * as BatchReading from "./BatchReading.ts"
import type { BatchSummary, Mention } from "./BatchSummary.ts"
import { BlobStore } from "./BlobStore.ts"
import { type CallError, ContentUnavailable, invalid, NotFound } from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import type { FileUse } from "./FileCapabilities.ts"
import { FileLookup } from "./FileLookup.ts"
import type { Call } from "./Hooks.ts"
import type { Job } from "./Job.ts"
import * as JobCreation from "./JobCreation.ts"
import { Limits } from "./Limits.ts"
import * as LitellmId from "./LitellmId.ts"
import { type ManagedFile, update } from "./ManagedFile.ts"
import { OutputFiles } from "./OutputFiles.ts"
import type { Principal } from "./Principal.ts"
import { Registry } from "./Registry.ts"
import { Settings } from "./Settings.ts"
import { Sha256 } from "./Sha256.ts"
import * as SplitCreation from "./SplitCreation.ts"
import type * as SplitLines from "./SplitLines.ts"
import { UnifiedIds } from "./UnifiedId.ts"

const param = "input_file_id"

/** The kind of call by which it is known what files it may name. */
const uses: ReadonlyMap<unknown, FileUse> = new Map([
  ["/v1/chat/completions", "chat"],
  ["/v1/responses", "responses"]
])

export const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const catalog = yield* Catalog
  const creation = yield* JobCreation.make
  const ids = yield* UnifiedIds
  const limits = yield* Limits
  const lookup = yield* FileLookup
  const outputFiles = yield* OutputFiles
  const preparation = yield* BatchPreparation.make
  const registry = yield* Registry
  const settings = yield* Settings
  const sha256 = yield* Sha256
  const split = yield* SplitCreation.make(creation)

  /** The file with its content in our store, where it can be read line by line. */
  const kept = (file: ManagedFile) =>
    file.kept
      ? Effect.succeed(file)
      : outputFiles
          .pull(file)
          .pipe(
            Effect.catchTag("ProviderError", (error) =>
              Effect.andThen(
                Effect.logInfo("The input of a batch could not be read at its provider", error),
                Effect.fail(new ContentUnavailable({ id: file.id ?? "", message: "The content cannot be read now." }))
              )
            )
          )

  const summarise = Effect.fn("BatchCreation.summarise")(function* (file: ManagedFile) {
    if (file.lines !== null) return { file, summary: file.lines }
    if (file.bytes > BatchReading.mostBytes) {
      return yield* invalid(`The input file has more than ${BatchReading.mostBytes} bytes.`, param)
    }
    const { allowProviderIds } = settings
    const summary = yield* Effect.scoped(
      Effect.flatMap(blobs.open(file.key), (content) => BatchReading.summarise(content, { allowProviderIds, sha256 }))
    ).pipe(
      Effect.catchTag("ContentBroken", (error) =>
        Effect.andThen(
          Effect.logError("The content of a file could not be read", error),
          Effect.fail(new ContentUnavailable({ id: file.id ?? "", message: "The content cannot be read now." }))
        )
      )
    )
    const row = yield* registry.modifyFile(file.key, (current) =>
      current.state === "ready" ? update(current, { lines: summary }) : undefined
    )
    return { file: row ?? file, summary }
  })

  const at = ({ line, path }: Mention): string => `line ${line}, ${path}`

  /** A provider's own ID, in an installation that lets clients use those. */
  const isForeign = (id: string): boolean =>
    settings.allowProviderIds && Option.isNone(ids.decode("file", id)) && Option.isNone(LitellmId.recognise(id))

  /** The files that the lines name, if the caller may use all of them. */
  const lineFiles = Effect.fnUntraced(function* (principal: Principal, { files }: BatchSummary) {
    const named = files.filter(({ value }) => !isForeign(value))
    const references = named.map(({ value }) => ({ id: value, param }))
    const found = yield* lookup.findAll(principal, references).pipe(
      Effect.catchTag("NotFound", ({ id }) => {
        const mention = named.find(({ value }) => value === id)
        const place = mention === undefined ? "" : ` (${at(mention)})`
        return Effect.fail(new NotFound({ id: `${id}${place}`, param }))
      })
    )
    return found.map((file, index) => ({ file, id: named[index]?.value ?? "", param, role: "line" as const }))
  })

  const checkEndpoint = ({ body }: CreateBatch, { urls }: BatchSummary) => {
    const endpoint = body["endpoint"]
    const other = urls.find(({ value }) => value !== endpoint)
    return other === undefined
      ? Effect.void
      : Effect.fail(
          invalid(
            `Line ${other.line} of the input file calls ${other.value}, which is not the batch's \`endpoint\`.`,
            "endpoint"
          )
        )
  }

  /**
   * The model name behind what a line says. LiteLLM has put the provider's own name for the model into the lines of the
   * files that were imported from it.
   */
  const modelNameOf = (principal: Principal, { id, models }: ManagedFile, value: string): string => {
    if (id === null || Option.isNone(LitellmId.recognise(id))) return value
    const isServed = (name: string) => catalog.deployments(name, principal).some(({ model }) => model === value)
    return catalog.deployments(value, principal).length > 0 ? value : (models.find(isServed) ?? value)
  }

  /** The model that decides where the batch runs. */
  const chooseModel = Effect.fnUntraced(function* (
    principal: Principal,
    { model }: CreateBatch,
    file: ManagedFile,
    { models }: BatchSummary
  ) {
    const [first, second] = models
    if (model === null && second !== undefined) {
      const message = `Line ${second.line} of the input file is for the model ${second.value}, and line ${first?.line} for ${first?.value}: all lines of a batch must be for one model, unless the request names one.`
      return yield* invalid(message, param, "mixed_models")
    }
    const isUnknown = ({ value }: Mention) =>
      catalog.deployments(modelNameOf(principal, file, value), principal).length === 0
    const unknown = models.find(isUnknown)
    if (unknown !== undefined) {
      const message = `Line ${unknown.line} of the input file is for a model that does not exist or that the key may not use: ${unknown.value}.`
      return yield* invalid(message, param, "model_not_found")
    }
    return model ?? (first === undefined ? "" : modelNameOf(principal, file, first.value))
  })

  /**
   * Lines that stay as they are can name files only where calls to their endpoint can. Where lines are translated, each is
   * judged by itself.
   */
  const checkFiles = (
    principal: Principal,
    { body }: CreateBatch,
    model: string,
    { files }: BatchSummary,
    [named]: ReadonlyArray<JobCreation.Read>
  ) => {
    const use = uses.get(body["endpoint"])
    const takesFiles = ({ account }: Deployment): boolean => {
      const provider = catalog.accounts.get(account)?.provider
      return provider?.batches === null || (use !== undefined && provider?.capabilities[use].reference.length !== 0)
    }
    if (named === undefined || use === undefined || catalog.deployments(model, principal).some(takesFiles)) {
      return Effect.void
    }
    const mention = files.find(({ value }) => value === named.id)
    const place = mention === undefined ? "" : ` (${at(mention)})`
    const message = `The file ${named.id}${place} cannot be used: the model ${model} is not served by an account that takes files in batches.`
    return Effect.fail(invalid(message, param, "file_not_available"))
  }

  return {
    create: Effect.fn("BatchCreation.create")(function* (
      call: Call<CreateBatch>
    ): Effect.fn.Return<Job, CallError, Scope.Scope> {
      const { operation, principal } = call
      const { idempotencyKey, inputFile } = operation
      const given = call.files.get(inputFile.id) ?? (yield* lookup.find(principal, inputFile.id, inputFile.param))
      if (given.purpose !== "batch") {
        return yield* invalid(`The input file must have the purpose batch, not ${given.purpose}.`, inputFile.param)
      }
      const { file, summary } = yield* summarise(yield* kept(given))
      yield* checkEndpoint(operation, summary)
      const named = yield* lineFiles(principal, summary)
      const model = yield* chooseModel(principal, operation, file, summary)
      yield* checkFiles(principal, operation, model, summary, named)
      const lines: SplitLines.Lines = { file, bytes: file.bytes, open: blobs.open(file.key), part: "", summary }
      const plan: JobCreation.Plan = {
        kind: "batch",
        model,
        reads: [{ file, id: inputFile.id, param: inputFile.param, role: "input" }, ...named],
        idempotencyKey,
        admit: limits.take(principal, { batchLines: summary.requests }),
        fingerprint: operation.split === true ? [operation.body, "split"] : [operation.body],
        prepare: preparation.prepare(operation, lines, named)
      }
      if (operation.split !== true) return yield* creation.create(call, plan)
      return yield* split.create(call, plan, summary.requests)
    })
  }
})
