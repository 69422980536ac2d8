/**
 * `@copilotkit/aimock` as an upstream that speaks OpenAI's wire and was not written here: what works against it and
 * against the `OpenAIEmulator` does not rest on one reading of the API.
 *
 * It knows chat (plain and streamed) and files, but does not connect them: chat takes any `file_id`. All instances in
 * one process share one file store. It ignores `expires_after`, keeps at most 10 MiB of a file, and gives back the
 * content of every purpose, where OpenAI refuses some.
 */
import { LLMock } from "@copilotkit/aimock"

export interface AimockOptions {
  /** The text of every chat answer. */
  readonly answer?: string | undefined
  /** The keys that are accepted. Default: any key, and none. */
  readonly apiKeys?: ReadonlyArray<string> | undefined
}

/** One request that aimock answered. */
export interface AimockRequest {
  readonly method: string
  readonly path: string
  readonly status: number
  /** A chat request as sent; of an upload `{ purpose, filename, bytes, sha256, ... }`. */
  readonly body: unknown
}

export interface Aimock {
  /** For example `http://127.0.0.1:40123/v1`. */
  readonly baseUrl: string
  /** Oldest first, the latest 1,000. */
  readonly requests: () => ReadonlyArray<AimockRequest>
  readonly close: () => Promise<void>
}

/** Starts aimock on a free port of 127.0.0.1. */
export const start = async (options: AimockOptions = {}): Promise<Aimock> => {
  const mock = new LLMock({
    host: "127.0.0.1",
    port: 0,
    ...(options.apiKeys === undefined ? {} : { auth: { apiKeys: options.apiKeys } })
  })
  mock.addFixture({ match: {}, response: { content: options.answer ?? "Answer from aimock." } })
  const url = await mock.start()
  return {
    baseUrl: `${url}/v1`,
    requests: () =>
      mock.getRequests().map(({ method, path, response, body }) => ({ method, path, status: response.status, body })),
    close: () => mock.stop()
  }
}
