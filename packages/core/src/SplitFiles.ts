/**
 * What the parts of a batch have made, put together: every line of the input has its result in the output, or the
 * reason why it has none in the error file, and is there once.
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Scope from "effect/Scope"
import * as BatchEnding from "./BatchEnding.ts"
import { shortened } from "./BatchReading.ts"
import { BlobStore } from "./BlobStore.ts"
import type { Bytes } from "./Bytes.ts"
import { ContentUnavailable } from "./CallError.ts"
import type { Job, JobOutput } from "./Job.ts"
import { isObject } from "./Json.ts"
import * as JsonScan from "./JsonScan.ts"
import * as LineReader from "./LineReader.ts"
import { OutputFiles } from "./OutputFiles.ts"
import { Registry } from "./Registry.ts"
import { Sha256 } from "./Sha256.ts"
import { joined } from "./SplitLines.ts"
import * as SplitState from "./SplitState.ts"
import type { StorageError } from "./StorageError.ts"

/** How often a file that is not to be had is asked for. */
const fileAttempts = 6

/** No request or answer is longer. */
const longestLine = 64 * 1024 * 1024

const paths = JsonScan.compile({ customId: "custom_id" })

const customIdOf = (line: Uint8Array): string | undefined => {
  const scanned = JsonScan.scan(line, paths)
  if (scanned._tag === "Malformed") return undefined
  const value = scanned.matches[0]?.value
  return typeof value === "string" ? value : undefined
}

const encoder = new TextEncoder()

/** Which lines have been written, and where how many. */
class Tally {
  readonly #sha256: Sha256["Service"]
  readonly #seen = new Set<string>()
  completed = 0
  failed = 0

  constructor(sha256: Sha256["Service"]) {
    this.#sha256 = sha256
  }

  /** Counts a line, unless it has been; says whether it did. */
  add(customId: string, count: keyof SplitState.Counts): boolean {
    const name = shortened(customId, this.#sha256)
    if (this.#seen.has(name)) return false
    this.#seen.add(name)
    this[count]++
    return true
  }

  /** The lines of one file, as the provider wrote them: what is said of a line for the second time is left out. */
  async *results(content: Bytes, count: keyof SplitState.Counts): AsyncGenerator<Uint8Array, void, void> {
    for await (const { bytes } of LineReader.read(content, longestLine)) {
      if (LineReader.isBlank(bytes)) continue
      const customId = customIdOf(bytes)
      if (customId !== undefined && this.add(customId, count)) yield bytes
    }
  }

  /** What stands in the error file for those lines of the input that no file says anything of. */
  async *missing(input: Bytes, states: ReadonlyArray<SplitState.PartState>): AsyncGenerator<Uint8Array, void, void> {
    let index = 0
    for await (const { bytes, number } of LineReader.read(input, longestLine)) {
      if (LineReader.isBlank(bytes)) continue
      const state = states.find(({ part }) => index < part.to)
      const customId = customIdOf(bytes)
      index++
      if (state === undefined || customId === undefined || !this.add(customId, "failed")) continue
      const id = `batch_req_${state.part.key.replaceAll("-", "")}_${number}`
      const error = SplitState.reasonOf(state)
      yield encoder.encode(JSON.stringify({ id, custom_id: customId, response: null, error }))
    }
  }
}

/** The files of a batch, and how many lines are in each. */
export interface Merged {
  readonly outputs: ReadonlyArray<JobOutput>
  readonly counts: SplitState.Counts
}

export const make = Effect.gen(function* () {
  const blobs = yield* BlobStore
  const { fileKey, record, storeOnce } = yield* BatchEnding.make
  const outputFiles = yield* OutputFiles
  const registry = yield* Registry
  const sha256 = yield* Sha256

  /** The content of a part's file, in our own store; null if nobody has it any more. */
  const contentOf = Effect.fnUntraced(function* (batch: Job, { file }: JobOutput) {
    const row = yield* registry.file(file)
    if (row === undefined || row.state !== "ready") return null
    return yield* outputFiles.pull(row).pipe(
      Effect.map(({ key }) => key),
      Effect.catchTag("ContentUnavailable", (error) =>
        batch.attempts < fileAttempts
          ? Effect.fail(error)
          : Effect.as(Effect.logWarning("A file of a part of a batch is not to be had any more", error), null)
      )
    )
  })

  const contentsOf = Effect.fnUntraced(function* (
    batch: Job,
    states: ReadonlyArray<SplitState.PartState>,
    role: BatchEnding.Role
  ) {
    const outputs = states.flatMap(({ job }) => job?.outputs.filter((output) => output.role === role) ?? [])
    const keys = yield* Effect.forEach(outputs, (output) => contentOf(batch, output))
    return keys.filter((key) => key !== null)
  })

  /** Stores one of the files, if there is anything in it. What is there already is what counts. */
  const write = Effect.fnUntraced(function* (
    batch: Job,
    role: BatchEnding.Role,
    lines: AsyncIterable<Uint8Array>,
    linesOf: (content: Bytes) => AsyncIterable<Uint8Array>
  ) {
    const key = fileKey(batch, role)
    const stored = yield* storeOnce(key, joined(lines), (content) => joined(linesOf(content)))
    if (stored.bytes === 0) {
      yield* blobs.remove(key)
      return []
    }
    const expiry = SplitState.objectOf(batch)["output_expires_after"]
    const life = isObject(expiry) && typeof expiry["seconds"] === "number" ? expiry["seconds"] : null
    return [yield* record(batch, role, stored, life)]
  })

  /** What broke off on its way from a provider is there at another time. */
  const interrupted = ({ id }: Job, error: StorageError): Effect.Effect<never, ContentUnavailable | StorageError> =>
    error.reason._tag !== "SourceFailed"
      ? Effect.fail(error)
      : Effect.andThen(
          Effect.logWarning("The files of the parts of a batch could not be read to their end", error),
          Effect.fail(new ContentUnavailable({ id: id ?? "", message: "Its files could not be put together now." }))
        )

  return {
    /** Puts the files of all parts together. What has been begun before, by whomever, comes out the same. */
    merge: Effect.fn("SplitFiles.merge")(
      function* (batch: Job, states: ReadonlyArray<SplitState.PartState>) {
        const outputKeys = yield* contentsOf(batch, states, "output_file_id")
        const errorKeys = yield* contentsOf(batch, states, "error_file_id")
        const input = batch.reads.find(({ role }) => role === "input")?.file ?? ""
        const run = yield* FiberSet.makeRuntimePromise<never, Bytes, StorageError>()
        const within = yield* Effect.scope
        const open = (key: string) => run(Scope.provide(blobs.open(key), within))
        const tally = new Tally(sha256)
        const answers = async function* () {
          for (const key of outputKeys) yield* tally.results(await open(key), "completed")
        }
        const errors = async function* () {
          for (const key of errorKeys) yield* tally.results(await open(key), "failed")
          yield* tally.missing(await open(input), states)
        }
        const output = yield* write(batch, "output_file_id", answers(), (content) =>
          tally.results(content, "completed")
        )
        const rest = yield* write(batch, "error_file_id", errors(), (content) => tally.results(content, "failed"))
        const merged: Merged = { outputs: [...output, ...rest], counts: tally }
        return merged
      },
      Effect.scoped,
      (merging, batch) => Effect.catchTag(merging, "StorageError", (error) => interrupted(batch, error))
    )
  }
})
