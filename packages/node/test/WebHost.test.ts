import * as HostSuite from "@omnifile/testkit/HostSuite"
import { build } from "./support/build.ts"
import { webListener } from "./support/webListener.ts"

HostSuite.suite("web handler", {
  build,
  serve: (gateway) => HostSuite.listen(webListener(gateway.web)),
  unknownRoutes: "gateway"
})
