import * as HostSuite from "@omnifile/testkit/HostSuite"
import { build } from "./support/build.ts"

HostSuite.suite("node:http", {
  build,
  serve: (gateway) => HostSuite.listen((request, response) => void gateway.node(request, response)),
  unknownRoutes: "gateway"
})
