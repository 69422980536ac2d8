import type { Gateway } from "@omnifile/node/Gateway"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import Koa, { type Middleware } from "koa"
import bodyParser from "koa-bodyparser"
import mount from "koa-mount"
import { omnifile } from "../src/index.ts"
import { build } from "./build.ts"

/** An application with a page of its own behind the gateway. */
const serve =
  (prefix: string, ...before: ReadonlyArray<Middleware>) =>
  (gateway: Gateway): Promise<HostSuite.Host> => {
    const app = new Koa()
    for (const middleware of before) app.use(middleware)
    app.use(prefix === "" ? omnifile(gateway) : mount(prefix, omnifile(gateway)))
    app.use((ctx) => {
      ctx.status = 404
      ctx.body = "Koa has no such page"
    })
    return HostSuite.listen(app.callback(), prefix)
  }

const unknownRoutes = { status: 404, text: "Koa has no such page" }

HostSuite.suite("Koa", { build, serve: serve(""), unknownRoutes })
HostSuite.suite("Koa, below a prefix", { build, serve: serve("/llm"), unknownRoutes })
HostSuite.suite("Koa, behind koa-bodyparser", { build, serve: serve("/llm", bodyParser()), unknownRoutes })
