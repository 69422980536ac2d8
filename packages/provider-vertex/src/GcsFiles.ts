/**
 * Copies as objects of a bucket of Cloud Storage, which models get by their address:
 * https://cloud.google.com/storage/docs/json_api. An upload is one request; its object is there whole or not at all. What
 * the bucket deletes by a rule of its own is made again when it is missed.
 */
import type { Bucket } from "@omnifile/core/Account"
import * as ObjectName from "@omnifile/core/ObjectName"
import type { FileProtocol, FileUpload, ProviderCall, RemoteFile, UploadStep } from "@omnifile/core/Provider"
import { bodiless } from "@omnifile/core/ProviderCalls"
import { millis } from "@omnifile/core/Rfc3339"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** The most bytes of an object: https://cloud.google.com/storage/quotas */
const maxBytes = 5 * 2 ** 40

const StoredObject = Schema.Struct({
  name: Schema.NonEmptyString,
  // 64-bit numbers are strings in this API.
  size: Schema.String.check(Schema.isPattern(/^\d+$/)),
  timeCreated: Schema.optionalKey(Schema.String)
})

// What is empty is left out.
const ObjectPage = Schema.Struct({
  items: Schema.optionalKey(Schema.Array(StoredObject)),
  nextPageToken: Schema.optionalKey(Schema.String)
})

const decodeObject = Schema.decodeUnknownResult(StoredObject)
const decodeObjectPage = Schema.decodeUnknownResult(ObjectPage)

const call = (name: string, method: "GET" | "DELETE", path: string): ProviderCall => ({
  ...bodiless(name, method, path),
  place: "bucket"
})

export const make = ({ name, prefix }: Bucket, takes: FileProtocol["takes"]): FileProtocol => {
  const objects = `/storage/v1/b/${encodeURIComponent(name)}/o`
  const pathOf = (id: string): string => `${objects}/${ObjectName.inQuery(id)}`

  const fileOf = (stored: typeof StoredObject.Type): RemoteFile => ({
    id: stored.name,
    reference: `gs://${name}/${stored.name}`,
    filename: ObjectName.filenameOf(prefix, stored.name),
    bytes: Number(stored.size),
    createdAt: millis(stored.timeCreated),
    expiresAt: null,
    state: "ready"
  })

  const decodeFile = (body: unknown): Result.Result<RemoteFile, string> =>
    decodeObject(body).pipe(
      Result.map(fileOf),
      Result.mapError(() => "no object")
    )

  const create = ({ bytes, contentType, filename, length, nonce }: FileUpload): UploadStep => {
    const key = ObjectName.make(prefix, nonce, filename)
    return {
      _tag: "Call",
      // Whatever becomes of the call, its object can be deleted, so that it may be made again under another name.
      begun: key,
      call: {
        name: "files.create",
        method: "POST",
        path: `/upload${objects}?uploadType=media&name=${ObjectName.inQuery(key)}`,
        place: "bucket",
        headers: { "content-type": contentType },
        body: { bytes, length },
        idempotent: true
      },
      next: ({ body }) => Result.map(decodeFile(body), (file) => ({ _tag: "Made", file }))
    }
  }

  return {
    maxBytes,
    takes,
    life: null,
    poll: { first: 250, most: 5_000 },
    create,
    retrieve: (id) => call("files.retrieve", "GET", pathOf(id)),
    content: (id) => call("files.content", "GET", `${pathOf(id)}?alt=media`),
    remove: (id) => call("files.delete", "DELETE", pathOf(id)),
    list: (cursor) => {
      const after = cursor === null ? "" : `&pageToken=${ObjectName.inQuery(cursor)}`
      return call("files.list", "GET", `${objects}?maxResults=1000&prefix=${ObjectName.inQuery(prefix)}${after}`)
    },
    decodeFile,
    decodePage: (body) =>
      decodeObjectPage(body).pipe(
        Result.map(({ items = [], nextPageToken = null }) => ({
          // Others may keep something of theirs there.
          files: items.map(fileOf).filter(({ filename }) => filename !== null),
          next: nextPageToken
        })),
        Result.mapError(() => "no list of objects")
      )
  }
}
