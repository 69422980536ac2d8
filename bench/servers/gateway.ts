/** omnifile as a user runs it, alone or in a framework. */
import * as OmnifileExpress from "@omnifile/express"
import * as OmnifileKoa from "@omnifile/koa"
import type { Gateway } from "@omnifile/node/Gateway"
import * as Open from "@omnifile/node/Open"
import * as Server from "@omnifile/node/Server"
import * as Effect from "effect/Effect"
import express from "express"
import Koa from "koa"
import type { RequestListener } from "node:http"
import { attach, readOptions } from "../harness/Control.ts"
import { type Installation, openOptions } from "./Installation.ts"

export interface GatewayOptions extends Installation {
  readonly host: "standalone" | "koa" | "express"
}

const listeners: Readonly<Record<GatewayOptions["host"], (gateway: Gateway) => RequestListener | undefined>> = {
  standalone: () => undefined,
  koa: (gateway) => new Koa().use(OmnifileKoa.omnifile(gateway)).callback(),
  express: (gateway) => express().use(OmnifileExpress.omnifile(gateway))
}

const options = readOptions<GatewayOptions>()
const gateway = await Open.open(await Effect.runPromise(openOptions(options)))
const { url } = await Server.serve({
  gateway,
  host: "127.0.0.1",
  port: 0,
  shutdownTimeout: 1_000,
  listener: listeners[options.host](gateway)
})
attach(Number(new URL(url).port), {})
