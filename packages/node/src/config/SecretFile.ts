/**
 * The secret of an installation whose operator has given none: made at the first start, and kept beside the
 * registry whose identifiers depend on it.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { randomBytes } from "node:crypto"
import { link, mkdir, open, readFile, stat, unlink } from "node:fs/promises"
import { join } from "node:path"

/** The secret can be neither read nor made, or what the file holds is not a secret. */
export class SecretFileError extends Data.TaggedError("SecretFileError")<{
  readonly path: string
  readonly message: string
  readonly cause?: unknown
}> {}

const codeOf = (cause: unknown): unknown => (cause instanceof Error && "code" in cause ? cause.code : undefined)

/** Undefined when the operation fails with this code. */
const unless = async <A>(code: string, operation: Promise<A>): Promise<A | undefined> => {
  try {
    return await operation
  } catch (cause) {
    if (codeOf(cause) === code) return undefined
    throw cause
  }
}

const writeDurably = async (path: string, text: string): Promise<void> => {
  const file = await open(path, "wx", 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Windows has no such call. */
const syncDirectory = async (path: string): Promise<void> => {
  if (process.platform === "win32") return
  const directory = await open(path, "r")
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Puts a new secret at the path, whole and on the disk, unless another process was first. */
const create = async (directory: string, path: string): Promise<void> => {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const part = `${path}.${randomBytes(8).toString("hex")}.part`
  try {
    await writeDurably(part, `${randomBytes(32).toString("base64url")}\n`)
    // Unlike a rename, a link never replaces what is there.
    await unless("EEXIST", link(part, path))
    await syncDirectory(directory)
  } finally {
    await unless("ENOENT", unlink(part))
  }
}

const readOrCreate = async (directory: string, path: string): Promise<string> => {
  const present = await unless("ENOENT", readFile(path, "utf8"))
  if (present !== undefined) return present
  await create(directory, path)
  return await readFile(path, "utf8")
}

const isOpenToOthers = async (path: string): Promise<boolean> =>
  process.platform !== "win32" && ((await stat(path)).mode & 0o077) !== 0

/** A shorter one was cut off, or is no secret of ours. */
const minLength = 16

/**
 * The text of the file `secret` in the directory, without white space at the ends. If there is none, it is
 * made of 32 random bytes, for this user only; of several processes that start at once, all get the same. A
 * file that others may use is a warning in the log.
 */
export const loadOrCreate = Effect.fnUntraced(function* (
  directory: string
): Effect.fn.Return<Redacted.Redacted<string>, SecretFileError> {
  const path = join(directory, "secret")
  const failWith = (message: string) => (cause: unknown) => new SecretFileError({ path, message, cause })
  const text = yield* Effect.tryPromise({
    try: () => readOrCreate(directory, path),
    catch: failWith(`The secret cannot be read from ${path}, nor written to it`)
  })
  const secret = text.trim()
  if (secret.length < minLength) {
    const message = `The secret in ${path} has fewer than ${minLength} characters: restore the file, or remove it to get a new one`
    return yield* new SecretFileError({ path, message })
  }
  const isOpen = yield* Effect.tryPromise({
    try: () => isOpenToOthers(path),
    catch: failWith(`The permissions of ${path} cannot be read`)
  })
  if (isOpen) yield* Effect.logWarning(`Other users of this machine may read ${path}: chmod 600 it`)
  return Redacted.make(secret)
})
