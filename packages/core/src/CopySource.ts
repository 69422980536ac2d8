/** What a provider copy is made of: the file's own bytes, or a variant of them. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ByteRange, Bytes } from "./Bytes.ts"
import { type ManagedFile, originalVariant, purposeOfCopy } from "./ManagedFile.ts"
import type { FileProtocol } from "./Provider.ts"
import type { StorageError } from "./StorageError.ts"

export interface CopySource {
  /** Tells variants of one file apart: the same name is always the same bytes. */
  readonly variant: string
  /** Exactly so many bytes. */
  readonly length: number
  readonly open: Effect.Effect<Bytes, StorageError, Scope.Scope>
  /** A part of the same bytes, where that can be had without the others. */
  readonly openRange?: ((range: ByteRange) => Effect.Effect<Bytes, StorageError, Scope.Scope>) | undefined
  /** What a provider is told of a variant that is another kind of file. */
  readonly described?: Parameters<FileProtocol["takes"]>[0] | undefined
}

/** The size by which a row knows a variant; null for the original, which has the file's. */
export const recordedBytes = ({ length, variant }: CopySource): number | null =>
  variant === originalVariant ? null : length

/** The original, whose bytes `open` gives. */
export const original = (file: ManagedFile, openRange: NonNullable<CopySource["openRange"]>): CopySource => ({
  variant: originalVariant,
  length: file.bytes,
  open: openRange({ offset: 0 }),
  openRange
})

/** What a provider is told of a file. */
export const describe = (file: ManagedFile): Parameters<FileProtocol["takes"]>[0] => ({
  filename: file.filename,
  contentType: file.declaredType ?? file.contentType,
  mediaType: file.contentType,
  purpose: purposeOfCopy(file)
})
