/** The reference for content: whatever is asked for, the answer is one file, piped from the disk to the socket. */
import { createReadStream, statSync } from "node:fs"
import { createServer } from "node:net"
import { pipeline } from "node:stream"
import { attach, readOptions } from "../harness/Control.ts"
import { listen } from "../harness/Loopback.ts"

export interface FileServerOptions {
  readonly file: string
}

const { file } = readOptions<FileServerOptions>()
const { size } = statSync(file)
const head = `HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: ${size}\r\n\r\n`

const server = createServer((socket) => {
  socket.on("error", () => {})
  socket.once("data", () => {
    socket.write(head)
    pipeline(createReadStream(file), socket, () => {})
  })
})

attach(await listen(server), {})
