/**
 * omnifile's files for the AI SDK: one upload, and a reference that every configured provider's models understand. A
 * reference is made for the moment: copies at providers expire and are made again, so ask for one before each call.
 */
import type { FilesV4, SharedV4ProviderReference } from "@ai-sdk/provider"
import type { Facade, FileInfo, NewFile } from "@omnifile/core/Facade"
import type { Caller } from "@omnifile/core/Principal"

export interface Options {
  /** The core, as `Omnifile.make` or a gateway gives it. */
  readonly omnifile: Pick<Facade, "files">
  /**
   * The accounts of the AI SDK's providers, by the name under which a provider looks for what is its own, such as
   * `openai`, `anthropic` or `google`.
   */
  readonly accounts: Readonly<Record<string, string>>
  /** Who calls. Without one, everything is allowed. */
  readonly caller?: Caller | undefined
  /** What uploads are for. Default: `user_data`. */
  readonly purpose?: NewFile["purpose"]
}

export interface OmnifileFiles extends FilesV4 {
  /**
   * A reference to a file by its unified ID, for the providers that are named, or for all. Copies that are missing are
   * made first. Rejects with a `CallError`.
   */
  readonly reference: (id: string, ...providers: ReadonlyArray<string>) => Promise<SharedV4ProviderReference>
}

/** The name under which a reference has the unified ID. */
const own = "omnifile"

const idOf = (file: SharedV4ProviderReference): string => {
  const id = file[own]
  if (id === undefined) throw new TypeError("The reference has no ID of omnifile: it was not made by this provider.")
  return id
}

type Upload = Parameters<FilesV4["uploadFile"]>[0]

const fromBase64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (character) => character.charCodeAt(0))

/** The chunks of a stream, which is given up by whoever stops early, or at the signal. */
async function* chunksOf(stream: ReadableStream<Uint8Array>, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  for await (const chunk of stream) {
    signal?.throwIfAborted()
    yield chunk
  }
}

const contentOf = ({ abortSignal, data }: Upload): NewFile["content"] => {
  switch (data.type) {
    case "text":
      return data.text
    case "stream":
      return chunksOf(data.stream, abortSignal)
    case "data":
      return typeof data.data === "string" ? fromBase64(data.data) : data.data
  }
}

const readable = (content: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> => {
  const iterator = content[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const next = await iterator.next()
        if (next.done === true) controller.close()
        else controller.enqueue(next.value)
      },
      cancel: async () => {
        await iterator.return?.()
      }
    },
    { highWaterMark: 0 }
  )
}

const described = ({ bytes, contentType, createdAt, expiresAt, filename }: FileInfo) => ({
  filename,
  mediaType: contentType,
  byteSize: bytes,
  createdAt: new Date(createdAt),
  ...(expiresAt === null ? {} : { expiresAt: new Date(expiresAt) })
})

/** A name for a file that came without one. */
const nameless = "file"

/** Files that every provider in `accounts` understands, by one upload. */
export const make = ({ accounts, caller, omnifile, purpose = "user_data" }: Options): OmnifileFiles => {
  const { files } = omnifile

  const reference: OmnifileFiles["reference"] = async (id, ...providers) => {
    const wanted = providers.length === 0 ? Object.keys(accounts) : providers
    const entries = await Promise.all(
      wanted.map(async (provider) => {
        const account = accounts[provider]
        if (account === undefined) throw new TypeError(`There is no account for the provider ${provider}.`)
        const copy = await files.reference(id, account, caller)
        return [provider, copy.reference] as const
      })
    )
    return Object.fromEntries([[own, id] as const, ...entries])
  }

  return {
    specificationVersion: "v4",
    provider: own,
    reference,
    uploadFile: async (upload) => {
      upload.abortSignal?.throwIfAborted()
      const file = await files.create(
        { content: contentOf(upload), filename: upload.filename ?? nameless, contentType: upload.mediaType, purpose },
        caller
      )
      return { providerReference: await reference(file.id), warnings: [], ...described(file) }
    },
    getFileMetadata: async ({ file }) => {
      const id = idOf(file)
      const found = await files.retrieve(id, caller)
      return { providerReference: { [own]: id }, warnings: [], ...described(found) }
    },
    downloadFile: async ({ file }) => {
      const id = idOf(file)
      const { contentType } = await files.retrieve(id, caller)
      return { content: readable(files.stream(id, caller)), mediaType: contentType, warnings: [] }
    },
    deleteFile: async ({ file }) => {
      const id = idOf(file)
      await files.delete(id, caller)
      return { providerReference: { [own]: id }, deleted: true, warnings: [] }
    }
  }
}
