/**
 * What the emulator saw: one entry for each request, added when its headers arrive and filled in while it goes on.
 * A test reads the entries, or awaits one that satisfies a predicate.
 */
import type { RouteName } from "./Route.ts"

/** The multipart form of an upload, as it came over the wire. */
export interface JournalUpload {
  /** Names of all parts in the order of their arrival, for example `["purpose", "file"]`. */
  readonly partOrder: ReadonlyArray<string>
  readonly fields: ReadonlyArray<{ readonly name: string; readonly value: string }>
  /** The name as sent: neither path components nor percent-escapes are touched. */
  readonly filename: string | undefined
  readonly contentType: string | undefined
  /** Size and lower-case hex SHA-256 of the file part. */
  readonly bytes: number
  readonly sha256: string | undefined
}

/** One request. The object is live: its fields change until `done` is true. */
export interface JournalEntry {
  /** When the request's headers arrived, in epoch milliseconds of the emulator's clock. */
  readonly at: number
  /** Name of the account that the key belongs to; absent for a missing or wrong key. */
  readonly account: string | undefined
  readonly route: RouteName | undefined
  readonly method: string
  /** Path and query. */
  readonly path: string
  /** Lower-case names. Secrets are replaced by `[redacted]`. */
  readonly headers: Readonly<Record<string, string>>
  readonly contentLength: number | undefined
  readonly chunked: boolean
  /** Bytes of the request body received so far. */
  readonly bytes: number
  readonly upload: JournalUpload | undefined
  /** A JSON request's body as text, cut at the journal's limit. */
  readonly body: string | undefined
  /** Which scripted fault this request met, by the name of its field: `"status"`, `"hang"`, ... */
  readonly fault: string | undefined
  /** Absent until an answer's head was written. */
  readonly status: number | undefined
  /** Server-sent events written so far. */
  readonly events: number
  /** The emulator itself broke the connection, because a fault said so. */
  readonly cut: boolean
  /** The client hung up before it had the whole answer. */
  readonly aborted: boolean
  /** Nothing more will happen to this entry. */
  readonly done: boolean
}

export interface Journal {
  /** Oldest first; a live view. */
  readonly entries: ReadonlyArray<JournalEntry>
  readonly add: (entry: JournalEntry) => void
  readonly update: (entry: JournalEntry, change: Partial<JournalEntry>) => void
  /**
   * Resolves with the first entry, past or future, that satisfies the predicate, which is asked again at every change.
   * Rejects after `timeoutMs` of real time with the latest requests in its message.
   */
  readonly waitFor: (predicate: (entry: JournalEntry) => boolean, timeoutMs?: number) => Promise<JournalEntry>
  /** How many characters of a JSON body an entry keeps. */
  readonly bodyLimit: number
}

/** Makes an empty journal that forgets its oldest entries beyond `maxEntries`. */
export const make = (options: { readonly maxEntries: number; readonly bodyLimit: number }): Journal => {
  const entries: Array<JournalEntry> = []
  const watchers = new Set<(entry: JournalEntry) => void>()

  const notify = (entry: JournalEntry): void => {
    for (const watch of watchers) watch(entry)
  }

  const waitFor: Journal["waitFor"] = (predicate, timeoutMs = 5_000) => {
    const known = entries.find(predicate)
    if (known !== undefined) return Promise.resolve(known)
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void): void => {
        watchers.delete(watch)
        clearTimeout(timer)
        finish()
      }
      const watch = (entry: JournalEntry): void => {
        try {
          if (predicate(entry)) settle(() => resolve(entry))
        } catch (error) {
          settle(() => reject(error))
        }
      }
      const timer = setTimeout(() => settle(() => reject(new Error(timeoutMessage(timeoutMs, entries)))), timeoutMs)
      watchers.add(watch)
    })
  }

  return {
    entries,
    bodyLimit: options.bodyLimit,
    waitFor,
    add: (entry) => {
      entries.push(entry)
      if (entries.length > options.maxEntries) entries.shift()
      notify(entry)
    },
    update: (entry, change) => {
      Object.assign(entry, change)
      notify(entry)
    }
  }
}

const secretHeaders = new Set([
  "authorization",
  "proxy-authorization",
  "api-key",
  "x-api-key",
  "x-goog-api-key",
  "cookie"
])

/** Headers as the journal shows them: joined into one string each, and without secrets. */
export const redactHeaders = (
  headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
): Record<string, string> => {
  const shown: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue
    shown[name] = secretHeaders.has(name) ? "[redacted]" : typeof value === "string" ? value : value.join(", ")
  }
  return shown
}

const timeoutMessage = (timeoutMs: number, entries: ReadonlyArray<JournalEntry>): string => {
  const latest = entries
    .slice(-10)
    .map((entry) => `  ${entry.account ?? "?"} ${entry.method} ${entry.path} -> ${entry.status ?? "no answer"}`)
  return [`no request satisfied the predicate within ${timeoutMs} ms; the latest requests:`, ...latest].join("\n")
}
