/**
 * Moments at which a kill hurts most. Several can come at once, and one several times: each has a file and two
 * accounts under a name that is given to it.
 */
import * as RawConnection from "@omnifile/testkit/host/RawConnection"
import type { Emulator } from "@omnifile/testkit/OpenAIEmulator"
import type OpenAI from "openai"
import { assert } from "vitest"
import { eventually } from "./eventually.ts"
import { filesIn, type Installation } from "./Installation.ts"
import type { Ledger, Standing } from "./Ledger.ts"
import * as Random from "./Random.ts"
import type { ServerProcess } from "./ServerProcess.ts"

interface Scene {
  readonly installation: Installation
  readonly emulator: Emulator
  readonly server: ServerProcess
  readonly client: OpenAI
  readonly ledger: Ledger
}

export interface Moment {
  readonly name: string
  /** Resolves when the moment has come. It then lasts for as long as nobody acts. */
  readonly reach: (scene: Scene, name: string) => Promise<void>
  /** What holds beside the ledger when all is settled, on the server that was started again. */
  readonly afterwards?: (scene: Scene, name: string) => Promise<void>
}

const size = 400_000

/** Slow enough to be killed, with a content of that size. */
const slow = { slowBytesPerSecond: 20_000 }

const first = (name: string): string => `${name}-first`
const second = (name: string): string => `${name}-second`

export const accountsOf = (name: string): ReadonlyArray<string> => [first(name), second(name)]

const upload = (
  { client, ledger }: Scene,
  name: string,
  accounts: ReadonlyArray<string>
): Promise<Standing | undefined> =>
  ledger.upload(client, { filename: name, content: Buffer.alloc(size, name), accounts })

const uploadToBoth = (scene: Scene, name: string): Promise<Standing | undefined> =>
  upload(scene, name, [first(name), second(name)])

/** Uploads to both accounts; fails if that fails. */
const have = async (scene: Scene, name: string): Promise<Standing> => {
  const file = await uploadToBoth(scene, name)
  assert.isDefined(file, name)
  return file
}

const idOf = async ({ client }: Scene, name: string): Promise<string> => {
  for await (const { filename, id } of client.files.list()) if (filename === name) return id
  throw new Error(`there is no file ${name}`)
}

const ask = async (scene: Scene, name: string, model: string): Promise<string> => {
  const part = { type: "file" as const, file: { file_id: await idOf(scene, name) } }
  const request = { model, messages: [{ role: "user" as const, content: [part] }] }
  return (await scene.client.chat.completions.create(request)).choices[0]?.message.content ?? ""
}

const sendHalf = async ({ installation, server }: Scene): Promise<void> => {
  const head = [
    "POST /v1/files HTTP/1.1",
    "host: localhost",
    `authorization: Bearer ${installation.keys["alice"]?.key}`,
    "content-type: multipart/form-data; boundary=cut",
    "content-length: 10000000"
  ]
  const part = '--cut\r\ncontent-disposition: form-data; name="file"; filename="half.bin"\r\n\r\n'
  const connection = await RawConnection.open(server.url)
  await connection.send(`${head.join("\r\n")}\r\n\r\n${part}`)
  await connection.send(Random.make(12).bytes(3_000_000))
}

export const moments: ReadonlyArray<Moment> = [
  {
    name: "client-sends",
    reach: async (scene) => {
      await sendHalf(scene)
      const received = (): boolean =>
        filesIn(`${scene.installation.data}/blobs`).some((file) => file.content.length > 1_000_000)
      await eventually(received, { what: "content is on the disk" })
    }
  },
  {
    name: "provider-reads",
    reach: async (scene, name) => {
      const { emulator } = scene
      const account = second(name)
      emulator.fault({ account, route: "files.create", kind: slow })
      void uploadToBoth(scene, name)
      await emulator.waitFor((entry) => entry.account === account && entry.bytes > 0)
    }
  },
  {
    name: "one-has-answered",
    reach: async (scene, name) => {
      const { emulator } = scene
      const [quick, silent] = [first(name), second(name)]
      emulator.fault({ account: silent, route: "files.create", kind: { hang: true } })
      void uploadToBoth(scene, name)
      await emulator.waitFor(({ account, upload: received }) => account === silent && received !== undefined)
      await emulator.waitFor(({ account, done }) => account === quick && done)
    }
  },
  {
    name: "taken-back",
    reach: async (scene, name) => {
      const { emulator } = scene
      const [taking, refusing] = [first(name), second(name)]
      emulator.fault({ account: refusing, route: "files.create", kind: { status: 400, delayMs: 200 } })
      emulator.fault({ account: taking, route: "files.delete", kind: { hang: true } })
      void uploadToBoth(scene, name)
      await emulator.waitFor(({ account, route }) => account === taking && route === "files.delete")
    }
  },
  {
    name: "deleted",
    reach: async (scene, name) => {
      const { client, emulator, ledger } = scene
      const account = first(name)
      const file = await have(scene, name)
      emulator.fault({ account, route: "files.delete", kind: { hang: true } })
      void ledger.remove(client, file)
      await emulator.waitFor((entry) => entry.account === account && entry.route === "files.delete")
    }
  },
  {
    name: "deletion-failed",
    reach: async (scene, name) => {
      const { client, emulator, ledger } = scene
      const account = first(name)
      const file = await have(scene, name)
      emulator.fault({ account, route: "files.delete", kind: { status: 500 } })
      await ledger.remove(client, file)
      assert.lengthOf(emulator.files(account), 1)
    }
  },
  {
    name: "on-demand",
    reach: async (scene, name) => {
      const { emulator } = scene
      const account = second(name)
      await upload(scene, name, [first(name)])
      emulator.fault({ account, route: "files.create", kind: slow })
      void ask(scene, name, account).catch(() => {})
      await emulator.waitFor((entry) => entry.account === account && entry.bytes > 0)
    },
    afterwards: async (scene, name) => {
      assert.include(await ask(scene, name, second(name)), `${name}, 400000 bytes`)
    }
  },
  {
    name: "taken-and-broken-off",
    reach: async (scene, name) => {
      const { emulator } = scene
      const account = second(name)
      emulator.fault({ account, route: "files.create", kind: { acceptThenCut: true } })
      emulator.fault({ account, route: "files.list", kind: { hang: true } })
      void uploadToBoth(scene, name)
      await eventually(() => emulator.files(account).length === 1, { what: "the provider has taken the file" })
    }
  },
  {
    name: "untouched",
    reach: async (scene, name) => void (await have(scene, name)),
    afterwards: async (scene, name) => {
      assert.include(await ask(scene, name, first(name)), `${name}, 400000 bytes`)
    }
  }
]
