/** The servers that pass calls through, and what they are called with. */
import { type Bench, startGateway, startPassthrough } from "../harness/Bench.ts"
import type { Child } from "../harness/Child.ts"
import type { Subject } from "../harness/ClosedLoop.ts"
import type { GatewayOptions } from "../servers/gateway.ts"
import { authorization, models } from "../servers/Installation.ts"

/** A server, and the IDs that it knows three files by. */
export interface Target {
  readonly label: string
  readonly server: Child
  readonly files: ReadonlyArray<string>
}

type Host = GatewayOptions["host"]

const allHosts: ReadonlyArray<Host> = ["standalone", "koa", "express"]

const uploadFiles = async ({ load }: Bench, server: Child): Promise<ReadonlyArray<string>> => {
  const files: Array<string> = []
  for (let count = 0; count < 3; count++) {
    const fields = { purpose: "user_data", target_model_names: models.a }
    const upload = { port: server.port, path: "/v1/files", authorization, fields, size: 10_000 }
    files.push((await load.ask("upload", upload)).id)
  }
  return files
}

/** The pass-through proxy, and omnifile alone and in the frameworks. */
export const startTargets = async (
  bench: Bench,
  hosts: ReadonlyArray<Host> = allHosts
): Promise<ReadonlyArray<Target>> => {
  const gateways: Array<Target> = []
  for (const host of hosts) {
    const server = await startGateway(bench, host)
    gateways.push({ label: `omnifile, ${host}`, server, files: await uploadFiles(bench, server) })
  }
  // It does not look at IDs: those of any other server will do.
  const files = gateways[0]?.files ?? []
  return [{ label: "pass-through", server: await startPassthrough(bench), files }, ...gateways]
}

/** No proxy at all: the same requests to the upstream, which has its accounts in the path. */
export const direct = ({ upstream }: Bench, subjects: ReadonlyArray<Subject>): Subject => ({
  label: "no proxy",
  server: upstream,
  requests: (subjects[0]?.requests ?? []).map((request) =>
    Buffer.from(Buffer.from(request).toString("utf8").replace("POST /v1/", "POST /a/v1/"))
  )
})
