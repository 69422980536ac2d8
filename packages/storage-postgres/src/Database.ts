/** Connections to the database, by the npm package `postgres`. They are made when they are needed, and made again. */
import { readFileSync } from "node:fs"
import { checkServerIdentity, type ConnectionOptions } from "node:tls"
import postgres from "postgres"
import type { ConnectionUrl } from "./ConnectionUrl.ts"

export type Client = postgres.Sql

/** Seconds until a connection that was lost is tried again. */
const reconnectDelay = 0.05

/** Seconds in which a connection has to stand. */
const connectTimeout = 10

/**
 * Seconds that a query in hand may still take when the client is closed. Nobody waits for one by then; and the
 * package would wait for ever for a connection that a restart of the server cut off.
 */
const closeTimeout = 0.25

/**
 * Every statement of this package reads by an index. A planner that does not know the tables yet, or that plans
 * for any number of rows, would at times read a whole table and sort it: it is told not to.
 */
const plannerSettings = {
  enable_seqscan: "off",
  enable_bitmapscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  jit: "off"
}

/** Without the brackets of an IPv6 address. */
const hostOf = (url: string): string => new URL(url).hostname.replace(/^\[|\]$/g, "")

const tlsOptions = ({ certificateAuthorityFile, certificateFile, keyFile, sslMode, url }: ConnectionUrl) => {
  if (sslMode === "disable") return false
  if (sslMode === "prefer") return "prefer"
  const options: ConnectionOptions = {
    rejectUnauthorized: sslMode !== "require",
    ...(certificateAuthorityFile === undefined ? {} : { ca: readFileSync(certificateAuthorityFile) }),
    ...(certificateFile === undefined ? {} : { cert: readFileSync(certificateFile) }),
    ...(keyFile === undefined ? {} : { key: readFileSync(keyFile) }),
    // For `verify-ca`, a certificate of the right authority will do, whatever host it names.
    checkServerIdentity: (_, certificate) =>
      sslMode === "verify-full" ? checkServerIdentity(hostOf(url), certificate) : undefined
  }
  return options
}

/** A pool of at most so many connections, in each of which the schema is the one that names are looked up in. */
export const open = (options: ConnectionUrl, maxConnections: number = options.maxConnections): Client =>
  postgres(options.url, {
    max: maxConnections,
    ssl: tlsOptions(options),
    backoff: () => reconnectDelay,
    connect_timeout: connectTimeout,
    fetch_types: false,
    onnotice: () => {},
    connection: {
      application_name: options.applicationName,
      search_path: options.schema,
      statement_timeout: options.statementTimeout,
      idle_in_transaction_session_timeout: options.statementTimeout,
      ...plannerSettings
    }
  })

export const close = (client: Client): Promise<void> => client.end({ timeout: closeTimeout })
