/** The reference for retrieving a file object: `node:http`, a check of the key, and a Map. */
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import { attach, readOptions } from "../harness/Control.ts"
import { listen } from "../harness/Loopback.ts"

export interface MapServerOptions {
  readonly authorization: string
  /** A JSON file with an array of IDs. */
  readonly idsFile: string
}

const { authorization, idsFile } = readOptions<MapServerOptions>()
const ids = JSON.parse(readFileSync(idsFile, "utf8")) as ReadonlyArray<string>

const files = new Map(
  ids.map((id, index) => [
    id,
    {
      id,
      object: "file",
      bytes: 120_000 + index,
      created_at: 1_741_570_283,
      filename: `document-${index}.pdf`,
      purpose: "user_data",
      status: "processed"
    }
  ])
)

const prefix = "/v1/files/"

const server = createServer((request, response) => {
  const { headers, url = "" } = request
  if (headers.authorization !== authorization) return void response.writeHead(401).end()
  const file = url.startsWith(prefix) ? files.get(url.slice(prefix.length)) : undefined
  if (file === undefined) return void response.writeHead(404).end()
  const body = JSON.stringify(file)
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) }).end(body)
})

attach(await listen(server), {})
