import type { Gateway } from "@omnifile/node/Gateway"
import * as Open from "@omnifile/node/Open"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import Koa, { type Middleware } from "koa"
import bodyParser from "koa-bodyparser"
import mount from "koa-mount"
import { omnifile } from "../src/index.ts"

/** An application with a page of its own behind the gateway. */
const serve =
  (prefix: string, ...before: ReadonlyArray<Middleware>) =>
  (gateway: Gateway): Promise<HostSuite.Host> => {
    const app = new Koa()
    // It would write of every client that hangs up.
    app.silent = true
    for (const middleware of before) app.use(middleware)
    app.use(prefix === "" ? omnifile(gateway) : mount(prefix, omnifile(gateway)))
    app.use((ctx) => {
      ctx.status = 404
      ctx.body = "Koa has no such page"
    })
    return HostSuite.listen(app.callback(), prefix)
  }

const unknownRoutes = { status: 404, text: "Koa has no such page" }

HostSuite.suite("Koa", { build: Open.open, serve: serve(""), unknownRoutes })
HostSuite.suite("Koa, below a prefix", { build: Open.open, serve: serve("/llm"), unknownRoutes })
HostSuite.suite("Koa, behind koa-bodyparser", { build: Open.open, serve: serve("/llm", bodyParser()), unknownRoutes })
