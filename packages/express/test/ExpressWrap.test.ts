import * as Open from "@omnifile/node/Open"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import * as WrapSuite from "@omnifile/testkit/WrapSuite"
import express, { type ErrorRequestHandler, type Request, type RequestHandler } from "express"
import { omnifile, wrap } from "../src/index.ts"

/** Express's own would write the error to the console. */
const onError: ErrorRequestHandler = (_error, _request, response, _next) => void response.status(500).send("broken")

const suite = (name: string, ...before: ReadonlyArray<RequestHandler>): void =>
  WrapSuite.suite(name, {
    build: Open.open,
    serve: (gateway, routes) => {
      const app = express()
      for (const middleware of before) app.use(middleware)
      for (const { callerHeader, handler, operation, path } of routes) {
        const caller = (request: Request) => {
          const user = request.get(callerHeader ?? "")
          return user === undefined ? null : { user }
        }
        const options = { operation, ...(callerHeader === null ? {} : { caller }) }
        app.post(path, wrap<WrapSuite.WrapBody>(gateway, options, handler))
      }
      return HostSuite.listen(app.use(omnifile(gateway)).use(onError))
    }
  })

suite("Express")
suite("Express, behind a body parser", express.json())
