import type { Gateway } from "@omnifile/node/Gateway"
import * as Open from "@omnifile/node/Open"
import * as HostSuite from "@omnifile/testkit/HostSuite"
import compression from "compression"
import express, { type RequestHandler } from "express"
import { omnifile } from "../src/index.ts"

/** An application with a page of its own behind the gateway. */
const serve =
  (prefix: string, ...before: ReadonlyArray<RequestHandler>) =>
  (gateway: Gateway): Promise<HostSuite.Host> => {
    const app = express()
    for (const middleware of before) app.use(middleware)
    app.use(prefix === "" ? "/" : prefix, omnifile(gateway))
    app.use((_request, response) => void response.status(404).send("Express has no such page"))
    return HostSuite.listen(app, prefix)
  }

const unknownRoutes = { status: 404, text: "Express has no such page" }

HostSuite.suite("Express", { build: Open.open, serve: serve(""), unknownRoutes })
HostSuite.suite("Express, below a prefix", { build: Open.open, serve: serve("/llm"), unknownRoutes })
HostSuite.suite("Express, behind body parsers", {
  build: Open.open,
  serve: serve("", express.json(), express.urlencoded({ extended: true }), express.text()),
  unknownRoutes
})
HostSuite.suite("Express, behind compression", { build: Open.open, serve: serve("/llm", compression()), unknownRoutes })
