import * as Open from "@omnifile/node/Open"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import * as WrapSuite from "@omnifile/testkit/WrapSuite"
import Koa, { type Middleware } from "koa"
import bodyParser from "koa-bodyparser"
import mount from "koa-mount"
import { omnifile, wrap } from "../src/index.ts"

const suite = (name: string, ...before: ReadonlyArray<Middleware>): void =>
  WrapSuite.suite(name, {
    build: Open.open,
    serve: (gateway, routes) => {
      const app = new Koa()
      app.silent = true
      for (const middleware of before) app.use(middleware)
      for (const { callerHeader, handler, operation, path } of routes) {
        const caller = (ctx: Koa.Context) => {
          const user = ctx.get(callerHeader ?? "")
          return user === "" ? null : { user }
        }
        const options = { operation, ...(callerHeader === null ? {} : { caller }) }
        app.use(mount(path, wrap<WrapSuite.WrapBody>(gateway, options, handler)))
      }
      return HostSuite.listen(app.use(omnifile(gateway)).callback())
    }
  })

suite("Koa")
suite("Koa, behind koa-bodyparser", bodyParser())
