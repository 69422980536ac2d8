/** azurite, the emulator of Azure Blob Storage, in a process of its own; it checks every signature. */
import { ContainerClient, StorageSharedKeyCredential } from "@azure/storage-blob"
import * as Redacted from "effect/Redacted"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createRequire } from "node:module"
import { afterAll } from "vitest"
import type { Options } from "../src/AzureBlobs.ts"

/** The account and the key that azurite is known for. */
const account = "devstoreaccount1"
const key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

const container = "omnifile-test"

export const start = async (): Promise<Options> => {
  const main = createRequire(import.meta.url).resolve("azurite/dist/src/blob/main.js")
  const settings = [
    "--blobPort",
    "0",
    "--inMemoryPersistence",
    "--silent",
    "--disableTelemetry",
    "--skipApiVersionCheck"
  ]
  const azurite = spawn(process.execPath, [main, ...settings], { stdio: ["ignore", "pipe", "inherit"] })
  const kill = () => void azurite.kill("SIGKILL")
  // A test run that ends early must not leave it behind.
  process.once("exit", kill)
  afterAll(async () => {
    process.off("exit", kill)
    const exited = once(azurite, "exit")
    kill()
    await exited
  })
  const endpoint = await new Promise<string>((resolve, reject) => {
    let output = ""
    azurite.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text
      const [, url] = /successfully listens on (\S+)/.exec(output) ?? []
      if (url !== undefined) resolve(`${url}/${account}`)
    })
    azurite.once("exit", () => reject(new Error(`azurite ended: ${output}`)))
  })
  await new ContainerClient(`${endpoint}/${container}`, new StorageSharedKeyCredential(account, key)).create()
  return {
    account,
    container,
    prefix: "blobs/",
    endpoint,
    credential: { _tag: "AccountKey", key: Redacted.make(key) }
  }
}
