/** A connection to Redis as long as a scope: commands as effects, and scripts that the server keeps. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"

export interface Options {
  /** `redis://[[user]:password@]host[:port][/database]`, or `rediss:` for TLS. */
  readonly url: Redacted.Redacted<string>
  /**
   * What all keys begin with, so that installations can share a database. Default: `omnifile:`. In a cluster all
   * keys must be in one slot, as with `{omnifile}:`.
   */
  readonly prefix?: string | undefined
}

export const defaultPrefix = "omnifile:"

/** How long a command waits for a connection, and then for its answer. In milliseconds. */
export const commandTimeout = 5_000

/** The longest pause between two attempts to connect, in milliseconds. */
const longestPause = 500

/** A Lua script, and the name that the server knows it by once it has seen it. */
export interface Script {
  readonly text: string
  readonly sha: string
}

export const script = (text: string): Script => ({ text, sha: createHash("sha1").update(text).digest("hex") })

export interface RedisClient {
  /** Whether commands are answered now, as far as is known. */
  readonly isReady: () => boolean
  /** Sends a command. Fails with what the server or the connection says. */
  readonly send: (...command: ReadonlyArray<string>) => Effect.Effect<unknown, unknown>
  readonly run: (
    script: Script,
    keys: ReadonlyArray<string>,
    args: ReadonlyArray<string>
  ) => Effect.Effect<unknown, unknown>
  /** Whether the same command may succeed a moment later: the connection was lost, or the server is not ready. */
  readonly isRetryable: (cause: unknown) => boolean
  /** Calls back with every message of a channel, from now on and after every reconnection. */
  readonly subscribe: (channel: string, onMessage: (message: string) => void) => Effect.Effect<void, unknown>
  /** Calls back when the connection is lost, and again with each failed attempt to restore it. */
  readonly onLost: (callback: () => void) => void
}

/** `wait`: commands wait for a lost connection to come back. `fail`: they fail at once. */
export type WhenLost = "wait" | "fail"

/** Answers of a server that starts, fails over or is busy with something that takes long. */
const retryableReply = /^(LOADING|BUSY|MASTERDOWN|READONLY|NOREPLICAS|TRYAGAIN|CLUSTERDOWN) /

const isUnknownScript = (cause: unknown): boolean => cause instanceof Error && cause.message.startsWith("NOSCRIPT")

const timedOut = (what: string) => Effect.fail(new Error(`Redis did not answer ${what} in ${commandTimeout} ms`))

/** A client that is connecting. It goes on trying until the scope closes. */
const create = Effect.fnUntraced(function* ({ url }: Options, whenLost: WhenLost) {
  // Loaded where it is used: a server without Redis starts without it.
  const { createClient, ErrorReply } = yield* Effect.tryPromise({ try: () => import("redis"), catch: (cause) => cause })
  const client = yield* Effect.acquireRelease(
    Effect.try({
      try: () =>
        createClient({
          url: Redacted.value(url),
          RESP: 3,
          disableOfflineQueue: whenLost === "fail",
          commandOptions: { timeout: commandTimeout },
          socket: {
            connectTimeout: commandTimeout,
            reconnectStrategy: (attempts) => Math.min(25 * 2 ** Math.min(attempts, 6), longestPause)
          }
        }),
      // What is thrown for a malformed URL holds it, and with it the password.
      catch: () => new Error("The URL of Redis is malformed")
    }),
    (client) =>
      Effect.sync(() => {
        if (client.isOpen) client.destroy()
      })
  )
  // What is no answer is the end of a connection, or of the patience with one.
  const isRetryable = (cause: unknown): boolean =>
    cause instanceof ErrorReply ? retryableReply.test(cause.message) : client.isOpen
  return { client, isRetryable }
})

/**
 * Opens a client. With `wait` it is connected, or this fails; with `fail` it may be connected later, and commands
 * fail until then.
 */
export const open = Effect.fnUntraced(function* (
  options: Options,
  whenLost: WhenLost
): Effect.fn.Return<RedisClient, unknown, Scope.Scope> {
  const { client, isRetryable } = yield* create(options, whenLost)
  let latest: unknown
  // Without a listener an error event would end the process; what fails for it says so itself.
  client.on("error", (cause: unknown) => (latest = cause))
  const connecting = Effect.tryPromise({ try: () => client.connect(), catch: (cause) => cause })
  if (whenLost === "fail") yield* Effect.forkScoped(Effect.ignore(connecting))
  else {
    const orElse = () => Effect.fail(latest ?? new Error(`Redis was not there in ${commandTimeout} ms`))
    yield* Effect.timeoutOrElse(connecting, { duration: commandTimeout, orElse })
  }

  const send: RedisClient["send"] = (...command) =>
    Effect.tryPromise({ try: () => client.sendCommand(command), catch: (cause) => cause }).pipe(
      // The client's own limit is on the wait for a connection.
      Effect.timeoutOrElse({ duration: commandTimeout + 1_000, orElse: () => timedOut(command[0] ?? "") })
    )
  return {
    isReady: () => client.isReady,
    isRetryable,
    send,
    run: ({ sha, text }, keys, args) => {
      const rest = [String(keys.length), ...keys, ...args]
      return Effect.catchIf(send("EVALSHA", sha, ...rest), isUnknownScript, () => send("EVAL", text, ...rest))
    },
    subscribe: (channel, onMessage) =>
      Effect.tryPromise({ try: () => client.subscribe(channel, onMessage), catch: (cause) => cause }),
    onLost: (callback) => {
      client.on("error", callback)
      client.on("end", callback)
    }
  }
})
