/**
 * Copies as objects of a bucket of S3, which models get by their address. An upload is one request; its object is there
 * whole or not at all. What the bucket deletes by a rule of its own is made again when it is missed.
 */
import type { Bucket } from "@omnifile/core/Account"
import * as ObjectName from "@omnifile/core/ObjectName"
import type { FileProtocol, FileUpload, ProviderCall, RemoteFile, UploadStep } from "@omnifile/core/Provider"
import { bodiless } from "@omnifile/core/ProviderCalls"
import * as Result from "effect/Result"
import * as S3Answers from "./S3Answers.ts"

/** What one request can bring: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const maxBytes = 5 * 2 ** 30

const call = (name: string, method: "GET" | "DELETE", path: string): ProviderCall => ({
  ...bodiless(name, method, path),
  place: "bucket",
  reads: "text"
})

/** Objects that begin so, in the order of their names. */
const listCall = (name: string, prefix: string, limit: number, cursor: string | null): ProviderCall => {
  const after = cursor === null ? "" : `&continuation-token=${ObjectName.inQuery(cursor)}`
  const query = `list-type=2&encoding-type=url&max-keys=${limit}&prefix=${ObjectName.inQuery(prefix)}${after}`
  return call(name, "GET", `?${query}`)
}

/** What stands for an object that is not there any more. */
const nothing: RemoteFile = { id: "", filename: null, bytes: null, createdAt: null, expiresAt: null, state: "failed" }

const decodePage = (body: unknown): Result.Result<S3Answers.ObjectPage, string> => {
  const page = typeof body === "string" ? S3Answers.page(body) : undefined
  return page === undefined ? Result.fail("no list of objects") : Result.succeed(page)
}

export const make = ({ name, prefix }: Bucket, takes: FileProtocol["takes"]): FileProtocol => {
  const fileOf = (key: string, bytes: number, createdAt: number | null): RemoteFile => ({
    id: key,
    reference: `s3://${name}/${key}`,
    filename: ObjectName.filenameOf(prefix, key),
    bytes,
    createdAt,
    expiresAt: null,
    state: "ready"
  })

  const create = ({ bytes, contentType, filename, length, nonce }: FileUpload): UploadStep => {
    const key = ObjectName.make(prefix, nonce, filename)
    return {
      _tag: "Call",
      // Whatever becomes of the call, its object can be deleted, so that it may be made again under another name.
      begun: key,
      call: {
        name: "files.create",
        method: "PUT",
        path: `/${ObjectName.inPath(key)}`,
        place: "bucket",
        reads: "text",
        headers: { "content-type": contentType },
        body: { bytes, length },
        idempotent: true
      },
      next: () => Result.succeed({ _tag: "Made", file: fileOf(key, length, null) })
    }
  }

  return {
    maxBytes,
    takes,
    life: null,
    poll: { first: 250, most: 5_000 },
    create,
    // The list of this one says as much as the object's own headers, and says it in a body.
    retrieve: (id) => listCall("files.retrieve", ObjectName.stemOf(id), 1, null),
    content: (id) => call("files.content", "GET", `/${ObjectName.inPath(id)}`),
    remove: (id) => call("files.delete", "DELETE", `/${ObjectName.inPath(id)}`),
    list: (cursor) => listCall("files.list", prefix, 1_000, cursor),
    decodeFile: (body) =>
      Result.map(decodePage(body), ({ objects: [first] }) =>
        first === undefined ? nothing : fileOf(first.key, first.bytes, first.modifiedAt)
      ),
    decodePage: (body) =>
      Result.map(decodePage(body), ({ next, objects }) => ({
        files: objects
          .map(({ bytes, key, modifiedAt }) => fileOf(key, bytes, modifiedAt))
          // Others may keep something of theirs there.
          .filter(({ filename }) => filename !== null),
        next
      }))
  }
}
