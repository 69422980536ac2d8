/** How what the Registry knows is written as records, and what a commit changes. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"
import { ManagedFile } from "./ManagedFile.ts"
import type { Change } from "./RegistryBackend.ts"
import { fileEntries, instant } from "./RegistryIndexes.ts"

/** The claim of one create call on an `Idempotency-Key`. */
export class IdempotencyRecord extends Schema.Class<IdempotencyRecord>("IdempotencyRecord")({
  /** A digest of caller and key. */
  key: Schema.String,
  /** A digest of the request: another one under the same key is a conflict. */
  fingerprint: Schema.String,
  /** Where the row is that the call makes or made. */
  collection: Schema.String.pipe(
    Schema.withDecodingDefaultKey(Effect.succeed("files")),
    Schema.withConstructorDefault(Effect.succeed("files"))
  ),
  /** The key of that row; how far the call is stands there. */
  file: Schema.String,
  /** Milliseconds since 1970. */
  expiresAt: Schema.Int
}) {}

export class InstanceRecord extends Schema.Class<InstanceRecord>("InstanceRecord")({
  /** Milliseconds since 1970. */
  until: Schema.Int
}) {}

/** How a value is written as the text of a record, and read from it. */
export const codec = <A>(schema: Schema.Codec<A, unknown>) => {
  const json = Schema.fromJsonString(schema)
  // Compiled decoders take half the time; where code may not be generated they are interpreted as before.
  SchemaJITCompiler.enable(json.ast)
  return { decode: Schema.decodeUnknownEffect(json), encode: Schema.encodeSync(json) }
}

export const files = codec(ManagedFile)
export const idempotency = codec(IdempotencyRecord)
export const instances = codec(InstanceRecord)

/** In each of these, `expected` is the version that is replaced or removed, 0 for none. */
export const fileChange = (expected: number, file: ManagedFile): Change => ({
  collection: "files",
  key: file.key,
  expected,
  record: { value: files.encode(file), entries: fileEntries(file) }
})

export const idempotencyChange = (expected: number, record: IdempotencyRecord): Change => ({
  collection: "idempotency",
  key: record.key,
  expected,
  record: {
    value: idempotency.encode(record),
    entries: [{ index: "expiry", partitions: ["all"], sort: instant(record.expiresAt) }]
  }
})

const hour = 60 * 60 * 1000

/** An instance is forgotten long after it was heard of last, in steps that a heartbeat seldom changes. */
const forgottenAt = (until: number): number => (Math.ceil(until / hour) + 1) * hour

export const instanceChange = (expected: number, instance: string, until: number): Change => ({
  collection: "instances",
  key: instance,
  expected,
  record: {
    value: instances.encode(new InstanceRecord({ until })),
    entries: [{ index: "expiry", partitions: ["all"], sort: instant(forgottenAt(until)) }]
  }
})

export const removal = (expected: number, collection: "files" | "idempotency" | "instances", key: string): Change => ({
  collection,
  key,
  expected,
  record: null
})
