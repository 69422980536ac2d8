import type { Installation } from "@omnifile/testkit/HostSuite"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Assembly from "../../src/Assembly.ts"
import * as Gateway from "../../src/Gateway.ts"

/** A gateway for the host suite, without logs. */
export const build = ({ blobs, registry, ...parts }: Installation): Promise<Gateway.Gateway> =>
  Gateway.make(Assembly.layer(parts).pipe(Layer.provide([blobs, registry])), Logger.layer([]))
