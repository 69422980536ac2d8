/**
 * The promises of a host: whatever stands between a client's socket and a gateway, as tests. Call the suite in a
 * test file of the adapter, once for each way of mounting it:
 *
 * ```ts
 * HostSuite.suite("koa below a prefix", {
 *   build: Open.open,
 *   serve: (gateway) => HostSuite.listen(new Koa().use(mount("/llm", omnifile(gateway))).callback(), "/llm"),
 *   unknownRoutes: { status: 404, text: "Not Found" }
 * })
 * ```
 *
 * A host passes the whole of it; nothing can be switched off. The clients are the official `openai` package,
 * undici and bare sockets; the provider is the `OpenAIEmulator`, whose journal tells what has reached it.
 */
import { afterAll, beforeAll, describe } from "@effect/vitest"
import { once } from "node:events"
import { createServer, type RequestListener } from "node:http"
import * as batchCases from "./host/batchCases.ts"
import * as chatCases from "./host/chatCases.ts"
import * as contentCases from "./host/contentCases.ts"
import * as fineTuningCases from "./host/fineTuningCases.ts"
import * as lifetimeCases from "./host/lifetimeCases.ts"
import * as requestCases from "./host/requestCases.ts"
import * as responseCases from "./host/responseCases.ts"
import * as RunningHost from "./host/RunningHost.ts"
import * as uploadCases from "./host/uploadCases.ts"
import * as uploadSessionCases from "./host/uploadSessionCases.ts"
import * as usageCases from "./host/usageCases.ts"

export type { Installation } from "./host/Installation.ts"
export type { Adapter, Host } from "./host/RunningHost.ts"

export interface HostOptions<
  Gateway extends { readonly close: () => Promise<void> }
> extends RunningHost.Adapter<Gateway> {
  /**
   * Who answers what the gateway has no route for: the gateway itself, or the host, by this status and a body
   * that contains this text.
   */
  readonly unknownRoutes: "gateway" | { readonly status: number; readonly text: string }
}

/** Serves a listener of `node:http` on a free port. `prefix` is where in it the API is mounted, such as `/llm`. */
export const listen = async (listener: RequestListener, prefix = ""): Promise<RunningHost.Host> => {
  // Longer than a client keeps a connection, so that none is used again while it is being closed.
  const server = createServer({ keepAliveTimeout: 65_000 }, listener)
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the server listens on no TCP port")
  return {
    url: `http://127.0.0.1:${address.port}${prefix}`,
    stop: async () => {
      const closed = once(server, "close")
      server.close()
      server.closeAllConnections()
      await closed
    }
  }
}

/** What every host promises. */
export const suite = <Gateway extends { readonly close: () => Promise<void> }>(
  name: string,
  options: HostOptions<Gateway>
): void => {
  describe(`Host (${name})`, () => {
    let host: RunningHost.RunningHost
    beforeAll(async () => {
      host = await RunningHost.start(options)
    })
    afterAll(() => host.stop())
    const running = (): RunningHost.RunningHost => host

    uploadCases.register(running)
    chatCases.register(running)
    contentCases.register(running)
    batchCases.register(running)
    fineTuningCases.register(running)
    responseCases.register(running)
    uploadSessionCases.register(running)
    usageCases.register(running)
    requestCases.register(running, options.unknownRoutes)
    lifetimeCases.register(running, (settings) => RunningHost.start(options, settings))
  })
}
