/** Files as people upload them. */
import { createHash } from "node:crypto"
import * as Random from "./Random.ts"

export const sha256 = (content: string | Uint8Array): string => createHash("sha256").update(content).digest("hex")

/** A PDF of one page that readers open. Its stream has every byte value, and line breaks and dashes like a form's. */
export const pdf = (streamBytes = 200_000): Buffer => {
  const noise = Random.make(7).bytes(streamBytes)
  const traps = Buffer.from("\r\n--\r\n----boundary--\r\n\r\n--------------------------\0\n\r")
  const stream = Buffer.concat([noise.subarray(0, streamBytes >> 1), traps, noise.subarray(streamBytes >> 1)])
  const objects = [
    Buffer.from("<< /Type /Catalog /Pages 2 0 R >>"),
    Buffer.from("<< /Type /Pages /Kids [3 0 R] /Count 1 >>"),
    Buffer.from("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Resources << >> >>"),
    Buffer.concat([Buffer.from(`<< /Length ${stream.length} >>\nstream\n`), stream, Buffer.from("\nendstream")])
  ]
  const pieces: Array<Buffer> = [Buffer.from("%PDF-1.7\n%\u00e2\u00e3\u00cf\u00d3\n", "latin1")]
  const offsets: Array<number> = []
  let length = pieces[0]?.length ?? 0
  for (const [index, object] of objects.entries()) {
    const piece = Buffer.concat([Buffer.from(`${index + 1} 0 obj\n`), object, Buffer.from("\nendobj\n")])
    offsets.push(length)
    length += piece.length
    pieces.push(piece)
  }
  const table = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("")
  const size = objects.length + 1
  pieces.push(
    Buffer.from(
      `xref\n0 ${size}\n0000000000 65535 f \n${table}trailer\n<< /Size ${size} /Root 1 0 R >>\nstartxref\n${length}\n%%EOF\n`
    )
  )
  return Buffer.concat(pieces)
}

/** Training data: one conversation a line, in several scripts, and with both kinds of line end. */
export const jsonl = (lines = 2_000): Buffer =>
  Buffer.from(
    Array.from({ length: lines }, (_, index) => {
      const messages = [
        { role: "user", content: `Frage ${index}: größer als π? 数 🙂 "quoted" \\ \u2028` },
        { role: "assistant", content: "x".repeat(index % 97) }
      ]
      return JSON.stringify({ messages }) + (index % 5 === 0 ? "\r\n" : "\n")
    }).join("")
  )

/** Requests of a batch, all for one model. */
export const batch = (model: string, lines = 50): Buffer =>
  Buffer.from(
    Array.from({ length: lines }, (_, index) => {
      const body = { model, messages: [{ role: "user", content: `Request ${index}` }] }
      return `${JSON.stringify({ custom_id: `request-${index}`, method: "POST", url: "/v1/chat/completions", body })}\n`
    }).join("")
  )
