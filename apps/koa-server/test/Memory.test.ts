/** A file of any size passes through in memory that does not grow with it. */
import * as FormBody from "@omnifile/testkit/host/FormBody"
import { createHash } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { assert, describe, it } from "vitest"
import { streamOf, upload } from "./support/calls.ts"
import * as Installation from "./support/Installation.ts"
import * as Random from "./support/Random.ts"
import type { ServerProcess } from "./support/ServerProcess.ts"

const MiB = 1024 * 1024

/** A number of the process from the kernel, in MiB. */
const kernelNumber = ({ pid }: ServerProcess, name: "VmRSS" | "VmHWM"): number => {
  const status = readFileSync(`/proc/${pid}/status`, "utf8")
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) / 1024
}

/** By how many MiB the process was above its idle size at its peak, while something was done. */
const growth = async (server: ServerProcess, idle: number, run: () => Promise<void>): Promise<number> => {
  // Resets the peak.
  writeFileSync(`/proc/${server.pid}/clear_refs`, "5")
  await run()
  return kernelNumber(server, "VmHWM") - idle
}

const block = Random.make(5).bytes(MiB)

async function* content(size: number): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < size; sent += block.length) yield block
}

const digest = (size: number): string => {
  const hash = createHash("sha256")
  for (let at = 0; at < size; at += block.length) hash.update(block)
  return hash.digest("hex")
}

interface Measured {
  readonly what: string
  readonly run: () => Promise<void>
  /** In MiB above idle. */
  readonly most: number
}

describe.skipIf(process.platform !== "linux")("memory", () => {
  it("stays flat over uploads to three accounts and a download", { timeout: 120_000 }, async ({ onTestFinished }) => {
    const installation = await Installation.open({ emulator: { keepBytes: 0 } })
    onTestFinished(installation.close)
    const server = await installation.start()
    const client = installation.client(server)
    for (let round = 0; round < 20; round++) await upload(client, `warm ${round}`, { models: "alpha,beta,gamma" })
    const idle = kernelNumber(server, "VmRSS")

    const send = async (size: number): Promise<string> => {
      const filename = `${size}.bin`
      const fields = [FormBody.field("purpose", "user_data"), FormBody.field("target_model_names", "alpha,beta,gamma")]
      const answer = await installation.call(server, "/v1/files", {
        method: "POST",
        headers: { "content-type": FormBody.contentType },
        body: streamOf(FormBody.streamed(fields, filename, content(size))),
        duplex: "half"
      })
      const file = (await answer.json()) as { readonly id: string; readonly bytes: number }
      assert.strictEqual(file.bytes, size)
      const sha256 = digest(size)
      for (const account of installation.accounts) {
        const copy = installation.emulator.files(account).find((each) => each.filename === filename)
        assert.strictEqual(copy?.sha256, sha256, account)
      }
      return file.id
    }
    let id = ""
    const steps: ReadonlyArray<Measured> = [
      {
        what: "an upload of 64 MiB",
        run: async () => {
          id = await send(64 * MiB)
        },
        most: 150
      },
      {
        what: "an upload of 192 MiB",
        run: async () => {
          await send(192 * MiB)
        },
        most: 150
      },
      {
        what: "a download of 64 MiB",
        run: async () => {
          const hash = createHash("sha256")
          const answer = await installation.call(server, `/v1/files/${id}/content`)
          for await (const chunk of answer.body ?? []) hash.update(chunk)
          assert.strictEqual(hash.digest("hex"), digest(64 * MiB))
        },
        most: 100
      }
    ]
    for (const { most, run, what } of steps) {
      assert.isAtMost(await growth(server, idle, run), most, `MiB over ${idle} MiB for ${what}`)
    }
  })
})
