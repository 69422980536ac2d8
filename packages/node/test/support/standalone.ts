import { afterAll, assert, beforeAll } from "@effect/vitest"
import type { FileSettings } from "@omnifile/core/Settings"
import { type ErrorBody, errorOf } from "@omnifile/testkit/host/checks"
import * as FormBody from "@omnifile/testkit/host/FormBody"
import * as RunningHost from "@omnifile/testkit/host/RunningHost"
import * as Open from "../../src/Open.ts"
import * as Server from "../../src/Server.ts"

/** A standalone server for the tests of a file. */
export const standalone = (settings: Partial<FileSettings> = {}): (() => RunningHost.RunningHost) => {
  let host: RunningHost.RunningHost | undefined
  beforeAll(async () => {
    host = await RunningHost.start(
      {
        build: Open.open,
        serve: (gateway) => Server.serve({ gateway, host: "127.0.0.1", port: 0, shutdownTimeout: 1_000 })
      },
      settings
    )
  })
  afterAll(() => host?.stop())
  return () => {
    if (host === undefined) throw new Error("the server has not started yet")
    return host
  }
}

export interface Outcome {
  readonly status: number
  readonly text: string
}

export const outcomeOf = async (answer: ReturnType<RunningHost.RunningHost["call"]>): Promise<Outcome> => {
  const { body, statusCode } = await answer
  return { status: statusCode, text: await body.text() }
}

export const postForm = (
  { call }: RunningHost.RunningHost,
  body: string | Uint8Array | AsyncIterable<Uint8Array>,
  contentType = FormBody.contentType
): Promise<Outcome> => outcomeOf(call("/v1/files", { method: "POST", headers: { "content-type": contentType }, body }))

export const postJson = (
  { call }: RunningHost.RunningHost,
  body: string | Uint8Array | AsyncIterable<Uint8Array>,
  contentType = "application/json"
): Promise<Outcome> =>
  outcomeOf(call("/v1/chat/completions", { method: "POST", headers: { "content-type": contentType }, body }))

/** One of these statuses, an error in OpenAI's shape that names `param`, and a server that goes on. */
export const assertRefusal = async (
  host: RunningHost.RunningHost,
  outcome: Outcome,
  statuses: ReadonlyArray<number>,
  param: string | null
): Promise<ErrorBody> => {
  assert.include(statuses, outcome.status, outcome.text)
  const error = errorOf(outcome.text)
  assert.strictEqual(error.param, param, outcome.text)
  assert.strictEqual((await outcomeOf(host.call("/v1/models"))).status, 200)
  return error
}

/** What a server has stored and what its providers have been asked, to be compared with how it is later. */
export const traces = ({ emulator, storage }: RunningHost.RunningHost) => {
  const stored = storage.contents()
  const asked = emulator.journal.length
  return {
    /** Nothing has come in addition, or it is gone again. */
    assertUnchanged: async (): Promise<void> => {
      await storage.until(() => storage.contents().length <= stored.length)
      assert.deepStrictEqual(storage.contents(), stored)
      assert.lengthOf(emulator.journal, asked)
    }
  }
}
