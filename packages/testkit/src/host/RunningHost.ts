/** A host that serves a gateway over an emulated provider and watched storage, and the clients to call it. */
import type { FileSettings } from "@omnifile/core/Settings"
import { Readable } from "node:stream"
import OpenAI from "openai"
import { Agent, request, type Dispatcher } from "undici"
import type { Emulator } from "../OpenAIEmulator.ts"
import * as Installation from "./Installation.ts"
import * as WatchedStorage from "./WatchedStorage.ts"

/** Something that listens. */
export interface Host {
  /** Where the API is mounted, such as `http://127.0.0.1:4000` or `http://127.0.0.1:4000/llm`. */
  readonly url: string
  /** Ends it with all of its connections. The gateway is closed afterwards, and may be closed already. */
  readonly stop: () => Promise<void>
}

export interface Adapter<Gateway extends { readonly close: () => Promise<void> }> {
  /** Builds a gateway, such as by `Open.open` of `@omnifile/node`. */
  readonly build: (installation: Installation.Installation) => Promise<Gateway>
  /** Serves it on a free port of 127.0.0.1. */
  readonly serve: (gateway: Gateway) => Promise<Host>
}

export interface Call {
  readonly method?: Dispatcher.HttpMethod | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** An iterable is sent in chunks, anything else with its length. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array> | undefined
  readonly signal?: AbortSignal | undefined
}

export interface RunningHost {
  readonly url: string
  /** The official client, which does not retry. */
  readonly openai: OpenAI
  /** Any request, with the key unless `headers` has an authorization. */
  readonly call: (path: string, call?: Call) => Promise<Dispatcher.ResponseData>
  readonly emulator: Emulator
  readonly storage: WatchedStorage.WatchedStorage
  /** Closes the gateway while the host still listens. */
  readonly closeGateway: () => Promise<void>
  readonly stop: () => Promise<void>
}

const sendable = (body: NonNullable<Call["body"]>): string | Uint8Array | Readable =>
  typeof body === "string" || body instanceof Uint8Array ? body : Readable.from(body, { objectMode: false })

export const start = async <Gateway extends { readonly close: () => Promise<void> }>(
  adapter: Adapter<Gateway>,
  settings: Partial<FileSettings> = {}
): Promise<RunningHost> => {
  const emulator = await Installation.startEmulator()
  const storage = WatchedStorage.make()
  const gateway = await adapter.build(Installation.make(emulator, storage, settings))
  const host = await adapter.serve(gateway)
  const dispatcher = new Agent()
  const authorization = `Bearer ${Installation.key}`
  return {
    url: host.url,
    openai: new OpenAI({ apiKey: Installation.key, baseURL: `${host.url}/v1`, maxRetries: 0 }),
    call: (path, { body, headers = {}, method = "GET", signal } = {}) =>
      request(host.url + path, {
        method,
        headers: { authorization, ...headers },
        body: body === undefined ? null : sendable(body),
        dispatcher,
        ...(signal === undefined ? {} : { signal })
      }),
    emulator,
    storage,
    closeGateway: () => gateway.close(),
    stop: async () => {
      await dispatcher.destroy()
      await host.stop()
      await gateway.close()
      await emulator.close()
    }
  }
}
