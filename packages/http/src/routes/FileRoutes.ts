/** `/v1/files`: https://platform.openai.com/docs/api-reference/files, and the state of each copy. */
import { invalid } from "@omnifile/core/CallError"
import type { Content } from "@omnifile/core/Files"
import { Intake } from "@omnifile/core/Intake"
import { type ManagedFile, purposes } from "@omnifile/core/ManagedFile"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as ContentDisposition from "../ContentDisposition.ts"
import * as Endpoint from "../Endpoint.ts"
import * as FileForm from "../FileForm.ts"
import * as FileObject from "../FileObject.ts"
import * as IdempotencyKey from "../IdempotencyKey.ts"
import { pathId } from "../PathId.ts"
import * as QueryParams from "../QueryParams.ts"
import * as RangeHeader from "../RangeHeader.ts"
import { type FormLimits, RequestBodies } from "../RequestBodies.ts"

const formLimits: FormLimits = { fields: 100, fieldNameBytes: 200, fieldBytes: 64 * 1024 }

const defaultListLimit = 10_000
const longestListLimit = 10_000

const etagOf = (file: ManagedFile): string => `"${file.sha256}"`

/**
 * Content may be kept by its own client, which asks whether it is still there. On the way nobody may compress it:
 * length and ranges are those of the content as it is.
 */
const cacheControl = "private, no-cache, no-transform"

const contentResponse = ({ bytes, file, range }: Content): HttpServerResponse.HttpServerResponse => {
  const length = range === null ? file.bytes : range.length
  const headers: Record<string, string> = {
    "content-type": file.contentType,
    "content-length": String(length),
    "content-disposition": ContentDisposition.attachment(file.filename),
    // The content is a client's: a browser must not take it for something that it may run.
    "x-content-type-options": "nosniff",
    "accept-ranges": file.kept ? "bytes" : "none",
    "cache-control": cacheControl,
    etag: etagOf(file)
  }
  if (range !== null) {
    headers["content-range"] = `bytes ${range.offset}-${range.offset + range.length - 1}/${file.bytes}`
  }
  return HttpServerResponse.raw(bytes, { status: range === null ? 200 : 206, headers })
}

/** Whether the client has the content already (RFC 9110, section 13.1.2). */
const isNotModified = (ifNoneMatch: string | undefined, etag: string): boolean =>
  ifNoneMatch !== undefined &&
  ifNoneMatch.split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === etag)

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const bodies = yield* RequestBodies
    const intake = yield* Intake
    const { authenticated } = yield* Endpoint.make

    yield* router.add(
      "POST",
      "/v1/files",
      authenticated(
        Effect.fnUntraced(function* ({ headers, principal, request, run }) {
          const key = yield* IdempotencyKey.of(headers)
          const form = yield* bodies.form(request, formLimits, (part) =>
            Effect.andThen(FileForm.parseFilename(part.filename), intake.receive(principal, part.bytes))
          )
          const fields = yield* FileForm.parse(form.fields)
          if (form.file === null) return yield* invalid("Missing required parameter: 'file'.", "file")
          const answer = yield* run({
            _tag: "CreateFile",
            content: form.file.result,
            filename: yield* FileForm.parseFilename(form.file.filename),
            declaredType: form.file.contentType,
            ...fields,
            idempotencyKey: key
          })
          return HttpServerResponse.jsonUnsafe(FileObject.fileObject(answer.file))
        })
      )
    )

    yield* router.add(
      "GET",
      "/v1/files",
      authenticated(
        Effect.fnUntraced(function* ({ request, run }) {
          const params = QueryParams.parse(request.url)
          const answer = yield* run({
            _tag: "ListFiles",
            purpose: yield* QueryParams.oneOf(params, "purpose", purposes),
            order: (yield* QueryParams.oneOf(params, "order", ["asc", "desc"])) ?? "desc",
            limit: yield* QueryParams.integer(params, "limit", {
              min: 1,
              max: longestListLimit,
              default: defaultListLimit
            }),
            after: yield* QueryParams.text(params, "after")
          })
          return HttpServerResponse.jsonUnsafe(FileObject.fileList(answer.page))
        })
      )
    )

    yield* router.add(
      "GET",
      "/v1/files/:id",
      authenticated(
        Effect.fnUntraced(function* ({ run }) {
          const operation = { _tag: "RetrieveFile", id: yield* pathId } as const
          const answer = yield* run(operation)
          return HttpServerResponse.jsonUnsafe(FileObject.fileObject(answer.file))
        })
      )
    )

    yield* router.add(
      "GET",
      "/v1/files/:id/content",
      authenticated(
        Effect.fnUntraced(function* ({ headers, run }) {
          const range = RangeHeader.parse(headers.range)
          const operation = { _tag: "FileContent", id: yield* pathId, range } as const
          const answer = yield* run(operation)
          const etag = etagOf(answer.content.file)
          if (isNotModified(headers["if-none-match"], etag)) {
            return HttpServerResponse.empty({ status: 304, headers: { etag, "cache-control": cacheControl } })
          }
          return contentResponse(answer.content)
        })
      )
    )

    yield* router.add(
      "DELETE",
      "/v1/files/:id",
      authenticated(
        Effect.fnUntraced(function* ({ run }) {
          const operation = { _tag: "DeleteFile", id: yield* pathId } as const
          const answer = yield* run(operation)
          return HttpServerResponse.jsonUnsafe(FileObject.deleted(answer.file))
        })
      )
    )

    yield* router.add(
      "GET",
      "/v1/files/:id/replicas",
      authenticated(
        Effect.fnUntraced(function* ({ run }) {
          const operation = { _tag: "ListReplicas", id: yield* pathId } as const
          const answer = yield* run(operation)
          return HttpServerResponse.jsonUnsafe(FileObject.replicaList(answer.replicas))
        })
      )
    )
  })
)
