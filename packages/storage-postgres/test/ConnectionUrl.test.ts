import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { parse } from "../src/ConnectionUrl.ts"

describe("the URL of a database", () => {
  it("has a default for all but the server", () => {
    assert.deepStrictEqual(Result.getOrThrow(parse("postgres://u:p%40@host:6432/db")), {
      url: "postgres://u:p%40@host:6432/db",
      sslMode: "prefer",
      certificateAuthorityFile: undefined,
      certificateFile: undefined,
      keyFile: undefined,
      schema: "omnifile",
      maxConnections: 10,
      statementTimeout: 10_000,
      applicationName: "omnifile"
    })
  })

  it("says how connections are secured, how many there are, and how long a statement may take", () => {
    const text =
      "postgresql://host/db?sslmode=verify-full&sslrootcert=/ca.pem&sslcert=/c.pem&sslkey=/k.pem" +
      "&schema=files_1&max_connections=3&statement_timeout=250&application_name=gateway"
    assert.deepStrictEqual(Result.getOrThrow(parse(text)), {
      url: "postgresql://host/db",
      sslMode: "verify-full",
      certificateAuthorityFile: "/ca.pem",
      certificateFile: "/c.pem",
      keyFile: "/k.pem",
      schema: "files_1",
      maxConnections: 3,
      statementTimeout: 250,
      applicationName: "gateway"
    })
  })

  it.each([
    "mysql://host/db",
    "postgres:",
    "postgres://host/db?sslmode=on",
    "postgres://host/db?sslmod=verify-full",
    "postgres://host/db?schema=A-b",
    "postgres://host/db?max_connections=0",
    "postgres://host/db?statement_timeout=soon"
  ])("is refused when it cannot be meant: %s", (text) => {
    assert.isTrue(Result.isFailure(parse(text)))
  })
})
