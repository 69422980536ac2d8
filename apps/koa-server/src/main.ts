/** The reference server: omnifile in a Koa application, beside a route of the application's own. */
import Router from "@koa/router"
import { omnifile } from "@omnifile/koa"
import { main } from "@omnifile/node/Main"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import Koa from "koa"

await main({
  name: "omnifile",
  emulate: OpenAIEmulator.demo,
  listener: (gateway) => {
    const router = new Router()
    router.get("/", (ctx) => {
      ctx.body = "This is a Koa application with omnifile in it. The API is under /v1.\n"
    })
    const app = new Koa()
    // Before body parsers: omnifile reads bodies as they come in.
    app.use(omnifile(gateway))
    app.use(router.routes())
    app.use(router.allowedMethods())
    app.on("error", (error: NodeJS.ErrnoException) => {
      // Koa reports clients that leave in the middle of an answer; with streams they do.
      if (error.code === "ECONNRESET" || error.code === "ERR_STREAM_PREMATURE_CLOSE" || error.code === "EPIPE") return
      app.onerror(error)
    })
    return app.callback()
  }
})
