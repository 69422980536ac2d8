/** The tests' Postgres, and schemas in it of which nobody knows yet. */
import { describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { randomUUID } from "node:crypto"
import { inject } from "vitest"
import * as ConnectionUrl from "../../src/ConnectionUrl.ts"
import * as Database from "../../src/Database.ts"

const postgres = inject("postgres")

/** Tests that are not run where there is no Postgres; why was said when the run began. */
export const describePostgres = "url" in postgres ? describe : describe.skip

/** The URL of a schema that does not exist yet. */
export const newUrl = (server: string = "url" in postgres ? postgres.url : "postgres://nobody@127.0.0.1:1/none") =>
  `${server}?schema=test_${randomUUID().replaceAll("-", "")}`

export const newOptions = (server?: string) => ({ url: Redacted.make(newUrl(server)) })

export const connectionOf = (url: string): ConnectionUrl.ConnectionUrl => Result.getOrThrow(ConnectionUrl.parse(url))

/** A client for a schema, open until the scope closes. */
export const openClient = (url: string, maxConnections = 2) =>
  Effect.acquireRelease(
    Effect.sync(() => Database.open(connectionOf(url), maxConnections)),
    (client) => Effect.promise(() => Database.close(client))
  )
