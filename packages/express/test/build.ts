import * as Assembly from "@omnifile/node/Assembly"
import * as Gateway from "@omnifile/node/Gateway"
import type { Installation } from "@omnifile/testkit/HostSuite"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"

/** A gateway for the host suite, without logs. */
export const build = ({ blobs, registry, ...parts }: Installation): Promise<Gateway.Gateway> =>
  Gateway.make(Assembly.layer(parts).pipe(Layer.provide([blobs, registry])), Logger.layer([]))
