/**
 * How the files of a call come to a deployment: which by the ID of a copy and which within the call, and what stands for
 * each in the body.
 */
import * as Effect from "effect/Effect"
import * as Base64 from "./Base64.ts"
import { BlobStore } from "./BlobStore.ts"
import * as Bytes from "./Bytes.ts"
import { type InvalidRequest, invalid } from "./CallError.ts"
import type { FilePlacement } from "./ChatTranslator.ts"
import * as ContentType from "./ContentType.ts"
import * as CopyMetrics from "./CopyMetrics.ts"
import type { FileUse as Use } from "./FileCapabilities.ts"
import * as FileParts from "./FileParts.ts"
import { LruCache } from "./internal/lruCache.ts"
import * as FileUse from "./FileUse.ts"
import type { ModelCall, RoutedCall } from "./Hooks.ts"
import type { BodyEdit } from "./JsonEdit.ts"
import type { ManagedFile, Replica } from "./ManagedFile.ts"
import type { FileReference } from "./ModelRequest.ts"
import type { Provider } from "./Provider.ts"
import { Replication } from "./Replication.ts"
import type { ProviderAccount } from "./Upstream.ts"
import * as TranslatedCalls from "./TranslatedCalls.ts"
import * as Uuid from "./Uuid.ts"

/** Of how many files it is remembered what their first bytes say. */
const knownKinds = 10_000

/** A file, and how it comes: by a copy, or within the call. */
export interface Placed {
  readonly file: ManagedFile
  readonly copy: Replica | null
}

/** What is put in the place of the IDs of a body. */
export interface Placing {
  readonly edits: ReadonlyArray<BodyEdit>
  readonly placements: ReadonlyMap<string, FilePlacement> | undefined
}

/** What is in place of a file's content until its bytes come. */
const sentinel = Effect.map(Uuid.make, (uuid) => uuid.replaceAll("-", ""))

const nameOf = ({ reference, remoteId }: Replica): string => reference ?? remoteId ?? ""

const editOf = ({ end, raw, start }: FileReference, copy: Replica): BodyEdit => ({
  start,
  end,
  value: nameOf(copy),
  raw
})

export const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const replication = yield* Replication
  /** By the key of the content, which never changes. */
  const kinds = new LruCache<string>(knownKinds)

  /** What the bytes say, or else who sent them. */
  const look = (file: ManagedFile): Effect.Effect<string> => {
    const told = ContentType.bare(file.contentType)
    if (!file.kept) return Effect.succeed(told)
    return Effect.scoped(
      Effect.flatMap(blobs.open(file.key, { offset: 0, length: ContentType.headLength }), (head) =>
        Effect.tryPromise(() => Bytes.collect(head))
      )
    ).pipe(
      Effect.map((head) => ContentType.actual(told, head)),
      // That it cannot be read is seen when it has to be.
      Effect.orElseSucceed(() => told)
    )
  }

  const contentTypeOf = (file: ManagedFile): string => kinds.get(file.key) ?? ContentType.bare(file.contentType)

  const contentOf = (file: ManagedFile) => ({
    length: Base64.lengthOf(file.bytes),
    open: Effect.map(blobs.open(file.key), Base64.encode)
  })

  const base64Edit = Effect.fnUntraced(function* (
    use: Use,
    { id, param }: FileReference,
    part: FileParts.FilePart | undefined,
    file: ManagedFile
  ) {
    const data = yield* sentinel
    const content = { contentType: contentTypeOf(file), filename: file.filename, data }
    const object = part === undefined ? undefined : FileParts.withContent(use, part.object, content)
    if (part === undefined || object === undefined) return yield* onlyById(id, param)
    const [before = "", after = ""] = JSON.stringify(object).split(data)
    const { end, start } = part
    return { start, end, value: before, raw: true, content: { ...contentOf(file), after } } as const
  })

  /** The edits where more than IDs is replaced. Of several references in one part the last counts, as it does in JSON. */
  const partEdits = Effect.fnUntraced(function* (
    call: ModelCall,
    use: Use,
    { filePart }: Provider,
    placed: ReadonlyMap<string, Placed>
  ) {
    const { body, files } = call.operation
    const references = files.filter(({ id }) => placed.has(id))
    const parts = FileParts.around(body, use, references)
    const edits = new Map<number, BodyEdit>()
    for (const [index, reference] of references.entries()) {
      const part = parts[index]
      const { copy, file } = placed.get(reference.id) ?? {}
      if (file === undefined) continue
      if (copy === null || copy === undefined) {
        const edit = yield* base64Edit(use, reference, part, file)
        edits.set(edit.start, edit)
      } else if (filePart === null || part === undefined) edits.set(reference.start, editOf(reference, copy))
      else {
        const { filename } = file
        const contentType = contentTypeOf(file)
        const object = filePart(part.object, { use, reference: nameOf(copy), filename, contentType })
        edits.set(part.start, { start: part.start, end: part.end, value: JSON.stringify(object), raw: true })
      }
    }
    return [...edits.values()]
  })

  const placementOf = Effect.fnUntraced(function* (id: string, { copy, file }: Placed) {
    const { filename } = file
    const contentType = contentTypeOf(file)
    const as =
      copy === null
        ? ({ _tag: "Inline", sentinel: yield* sentinel, length: file.bytes, open: blobs.open(file.key) } as const)
        : ({ _tag: "Reference", value: nameOf(copy) } as const)
    return [id, { id, contentType, filename, as }] as const
  })

  /** Whether nothing is to be decided for an account: all files go by the IDs of copies. */
  const isPlain = (call: RoutedCall, { account, provider }: ProviderAccount): boolean =>
    FileUse.isPlain(account, provider, FileUse.of(call.operation))

  const read = Effect.fnUntraced(function* (files: ReadonlyArray<ManagedFile>) {
    for (const file of files) if (kinds.get(file.key) === undefined) kinds.set(file.key, yield* look(file))
  })

  const writeParts = Effect.fnUntraced(function* (
    call: ModelCall,
    use: Use,
    provider: Provider,
    placed: ReadonlyMap<string, Placed>,
    references: ReadonlyArray<BodyEdit>
  ): Effect.fn.Return<Placing, InvalidRequest> {
    if (TranslatedCalls.translatorOf(provider, call.operation) !== null) {
      const entries = yield* Effect.forEach(placed, ([id, each]) => placementOf(id, each))
      return { edits: references, placements: new Map(entries) }
    }
    return { edits: yield* partEdits(call, use, provider, placed), placements: undefined }
  })

  return {
    /** Finds out what the files are, where that decides how they come to one of the accounts. */
    inspect: (
      call: RoutedCall,
      files: ReadonlyArray<ManagedFile>,
      targets: ReadonlyArray<ProviderAccount>
    ): Effect.Effect<void> => (targets.every((target) => isPlain(call, target)) ? Effect.void : read(files)),
    choose: (call: RoutedCall, file: ManagedFile, target: ProviderAccount, held: boolean): FileUse.Choice => {
      const { account, provider } = target
      if (held && isPlain(call, target)) return byReference
      return FileUse.choose(account, provider, FileUse.of(call.operation), {
        contentType: contentTypeOf(file),
        bytes: file.bytes,
        kept: file.kept,
        held,
        copyable: held || replication.canCopy(file, account.id)
      })
    },
    /** Why the call is too large with these files within it; undefined if it is not. */
    excess: (
      { files, operation }: RoutedCall,
      { provider }: ProviderAccount,
      inlined: ReadonlyArray<ManagedFile>
    ): string | undefined => {
      const use = FileUse.of(operation)
      if (use === null || inlined.length === 0 || !("body" in operation && "files" in operation)) return undefined
      const { body } = operation
      const length = body instanceof Bytes.InMemory ? body.length : 0
      const within = new Map(inlined.map(({ bytes, key }) => [key, bytes]))
      // Each time that a file is named it is there once more.
      const lengths = operation.files.flatMap(({ id }) => within.get(files.get(id)?.key ?? "") ?? [])
      return FileUse.excess(provider, use, length, lengths)
    },
    /** What stands in the body for each file that has been placed. */
    write: (
      call: ModelCall,
      { account, provider }: ProviderAccount,
      placed: ReadonlyMap<string, Placed>
    ): Effect.Effect<Placing, InvalidRequest> => {
      const use = FileUse.of(call.operation)
      let inlined = 0
      for (const { copy } of placed.values()) if (copy === null) inlined++
      const references = call.operation.files.flatMap((reference) => {
        const copy = placed.get(reference.id)?.copy ?? null
        return copy === null ? [] : [editOf(reference, copy)]
      })
      const isTranslated = TranslatedCalls.translatorOf(provider, call.operation) !== null
      if (use === null || (!isTranslated && inlined === 0 && provider.filePart === null)) {
        return Effect.succeed({ edits: references, placements: undefined })
      }
      const written = writeParts(call, use, provider, placed, references)
      return inlined === 0 ? written : Effect.tap(written, CopyMetrics.countInlined(account.id, inlined))
    }
  }
})

const byReference: FileUse.Choice = { _tag: "Reference" }

const onlyById = (id: string, param: string) =>
  Effect.fail(
    invalid(
      `The file ${id} cannot be used: here it can only be named by its ID, which its account takes for no file.`,
      param,
      "file_not_available"
    )
  )
