import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Pool } from "undici"
import { pipeline } from "node:stream"
const origin = process.argv[2]
const mode = process.argv[3]
const pool = new Pool(origin, { keepAliveTimeout: 20_000 })
const hop = new Set(["connection", "keep-alive", "transfer-encoding", "host"])
const ignore = () => {}
const server = createServer(async (req, res) => {
  const headers = { "content-type": req.headers["content-type"], "content-length": req.headers["content-length"], authorization: "Bearer x" }
  const bad = (e: any) => { console.error(e); res.destroy() }
  if (mode === "request") {
    pool.request({ method: req.method as any, path: req.url!, headers, body: req }).then(({ statusCode, headers, body }) => { res.writeHead(statusCode, headers as any); pipeline(body, res, ignore) }, bad)
  } else if (mode === "buffered") {
    const cs: Buffer[] = []
    req.on("data", c => cs.push(c)).on("end", () => {
    pool.request({ method: req.method as any, path: req.url!, headers, body: cs.length === 1 ? cs[0] : Buffer.concat(cs) }).then(({ statusCode, headers, body }) => { res.writeHead(statusCode, headers as any); body.pipe(res) }, bad)
    })
  } else if (mode === "stream") {
    pool.stream({ method: req.method as any, path: req.url!, headers, body: req, opaque: res }, ({ statusCode, headers, opaque }: any) => { opaque.writeHead(statusCode, headers); return opaque }).catch(bad)
  } else if (mode === "bufstream") {
    const cs: Buffer[] = []
    req.on("data", c => cs.push(c)).on("end", () => {
    pool.stream({ method: req.method as any, path: req.url!, headers, body: cs.length === 1 ? cs[0] : Buffer.concat(cs), opaque: res }, ({ statusCode, headers, opaque }: any) => { opaque.writeHead(statusCode, headers); return opaque }).catch(bad)
    })
  } else if (mode === "bufdispatch") {
    const cs: Buffer[] = []
    req.on("data", c => cs.push(c)).on("end", () => {
    let ctl: any
    res.on("drain", () => ctl?.resume())
    pool.dispatch({ method: req.method as any, path: req.url!, headers, body: cs.length === 1 ? cs[0] : Buffer.concat(cs) }, {
      onRequestStart(c) { ctl = c },
      onResponseStart(c, status, headers) { res.writeHead(status, headers as any) },
      onResponseData(c, chunk) { if (!res.write(chunk)) c.pause() },
      onResponseEnd() { res.end() },
      onResponseError(c, e) { bad(e) }
    })
    })
  } else if (mode === "dispatch") {
    let ctl: any
    res.on("drain", () => ctl?.resume())
    pool.dispatch({ method: req.method as any, path: req.url!, headers, body: req }, {
      onRequestStart(c) { ctl = c },
      onResponseStart(c, status, headers) { res.writeHead(status, headers as any) },
      onResponseData(c, chunk) { if (!res.write(chunk)) c.pause() },
      onResponseEnd() { res.end() },
      onResponseError(c, e) { bad(e) }
    })
  }
})
server.listen(0, "127.0.0.1"); await once(server, "listening")
process.on("message", () => { const c = process.cpuUsage(); process.send!(c.user + c.system) })
process.send!({ port: (server.address() as AddressInfo).port })
