/**
 * Mistral's Files API: https://docs.mistral.ai/api. In shape it is OpenAI's, with purposes of its own and lists that are
 * paged by number.
 *
 * Uploads may say for how long a file is to be kept, but nowhere in which unit, so that copies are kept until they are
 * deleted.
 */
import type { Purpose } from "@omnifile/core/ManagedFile"
import type { FileProtocol } from "@omnifile/core/Provider"
import { bodiless } from "@omnifile/core/ProviderCalls"
import * as OpenAIFiles from "@omnifile/provider-openai/OpenAIFiles"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

/** What a user gives to a model is read as a document is. */
const purposeOf = (purpose: Purpose): string => {
  const known = OpenAIFiles.inputPurpose(purpose)
  return known === "batch" || known === "fine-tune" ? known : "ocr"
}

const pageSize = 100

const decodeTotal = Schema.decodeUnknownResult(
  Schema.Struct({ total: Schema.optionalKey(Schema.NullOr(Schema.Finite)) })
)

const base = OpenAIFiles.make({ expiry: null, purposeOf })

export const files: FileProtocol = {
  ...base,
  // By its type Mistral decides how the file is read, so it has to be told what the file really is.
  create: (upload) => base.create({ ...upload, contentType: upload.mediaType }),
  list: (cursor) =>
    bodiless("files.list", "GET", `/files?page_size=${pageSize}&page=${encodeURIComponent(cursor ?? "0")}`),
  decodePage: (body, cursor) => {
    const next = Number(cursor ?? "0") + 1
    const total = decodeTotal(body).pipe(Result.match({ onFailure: () => 0, onSuccess: ({ total: all }) => all ?? 0 }))
    return Result.map(base.decodePage(body, cursor), (page) => ({
      files: page.files,
      next: total > next * pageSize ? String(next) : null
    }))
  }
}
