#!/usr/bin/env node
/** The standalone server: omnifile on `node:http`, without a framework. */
import { main } from "@omnifile/node/Main"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"

await main({ name: "omnifile", emulate: OpenAIEmulator.demo })
