import * as HostSuite from "@omnifile/testkit/HostSuite"
import * as Server from "../src/Server.ts"
import { build } from "./support/build.ts"

HostSuite.suite("standalone server", {
  build,
  serve: (gateway) => Server.serve({ gateway, host: "127.0.0.1", port: 0, shutdownTimeout: 1_000 }),
  unknownRoutes: "gateway"
})
