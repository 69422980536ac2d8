/** `/v1/uploads`: https://platform.openai.com/docs/api-reference/uploads */
import { invalid } from "@omnifile/core/CallError"
import { Uploads } from "@omnifile/core/Uploads"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Endpoint from "../Endpoint.ts"
import * as IdempotencyKey from "../IdempotencyKey.ts"
import * as JsonBody from "../JsonBody.ts"
import { pathId } from "../PathId.ts"
import { type FormLimits, RequestBodies } from "../RequestBodies.ts"
import * as UploadBody from "../UploadBody.ts"
import * as UploadObject from "../UploadObject.ts"

const partLimits: FormLimits = { fields: 10, fieldNameBytes: 200, fieldBytes: 64 * 1024, fileField: "data" }

/** The most bytes of a JSON body: enough for as many part IDs as an upload may have. */
const bodyLimit = 16 * 1024 * 1024

export const layer = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const bodies = yield* RequestBodies
    const uploads = yield* Uploads
    const { authenticated } = yield* Endpoint.make

    const json = yield* JsonBody.make(bodyLimit)

    yield* router.add(
      "POST",
      "/v1/uploads",
      authenticated(
        Effect.fnUntraced(function* (call) {
          const { headers, run } = call
          const key = yield* IdempotencyKey.of(headers)
          const operation = yield* UploadBody.parseCreate(yield* json.object(call), key)
          const { upload } = yield* run(operation)
          return HttpServerResponse.jsonUnsafe(UploadObject.uploadObject(upload))
        })
      )
    )

    yield* router.add(
      "POST",
      "/v1/uploads/:id/parts",
      authenticated(
        Effect.fnUntraced(function* ({ headers, principal, request, run }) {
          const upload = yield* pathId
          const idempotencyKey = yield* IdempotencyKey.of(headers)
          const form = yield* bodies.form(request, partLimits, ({ bytes }) =>
            uploads.receive(principal, upload, bytes, { digest: idempotencyKey !== null })
          )
          if (form.file === null) return yield* invalid("Missing required parameter: 'data'.", "data")
          const operation = { _tag: "AddUploadPart", id: upload, part: form.file.result, idempotencyKey } as const
          const { part } = yield* run(operation)
          return HttpServerResponse.jsonUnsafe(UploadObject.partObject(part, upload))
        })
      )
    )

    yield* router.add(
      "POST",
      "/v1/uploads/:id/complete",
      authenticated(
        Effect.fnUntraced(function* (call) {
          const operation = yield* UploadBody.parseComplete(yield* json.object(call), yield* pathId)
          const { upload } = yield* call.run(operation)
          return HttpServerResponse.jsonUnsafe(UploadObject.uploadObject(upload))
        })
      )
    )

    yield* router.add(
      "POST",
      "/v1/uploads/:id/cancel",
      authenticated(
        Effect.fnUntraced(function* ({ run }) {
          const operation = { _tag: "CancelUpload", id: yield* pathId } as const
          const { upload } = yield* run(operation)
          return HttpServerResponse.jsonUnsafe(UploadObject.uploadObject(upload))
        })
      )
    )
  })
)
