import * as HostSuite from "@omnifile/testkit/HostSuite"
import * as Open from "../src/Open.ts"
import * as Server from "../src/Server.ts"
import { webListener } from "./support/webListener.ts"

HostSuite.suite("node:http", {
  build: Open.open,
  serve: (gateway) => HostSuite.listen((request, response) => void gateway.node(request, response)),
  unknownRoutes: "gateway"
})

HostSuite.suite("standalone server", {
  build: Open.open,
  serve: (gateway) => Server.serve({ gateway, host: "127.0.0.1", port: 0, shutdownTimeout: 1_000 }),
  unknownRoutes: "gateway"
})

HostSuite.suite("web handler", {
  build: Open.open,
  serve: (gateway) => HostSuite.listen(webListener(gateway.web)),
  unknownRoutes: "gateway"
})
