/** Files of the Mistral API. Lists are paged by number. */
import * as Answer from "../openai/Answer.ts"
import { ApiError } from "../openai/Answer.ts"
import * as Files from "../openai/Files.ts"
import type { StoredFile } from "../openai/FileStore.ts"
import { bodiless } from "../openai/Receiving.ts"
import type { Route } from "../openai/Route.ts"

const sampleTypes: Readonly<Record<string, string>> = {
  batch: "batch_request",
  batch_result: "batch_result",
  batch_error: "batch_error",
  "fine-tune": "instruct",
  ocr: "ocr_input"
}

/** What a batch makes is a file for batches too. */
const purposeOf = (purpose: string): string => (purpose.startsWith("batch") ? "batch" : purpose)

const linesOf = ({ content, purpose }: StoredFile): number | null =>
  purpose === "ocr" || content === undefined ? null : Buffer.from(content).toString().trim().split("\n").length

const toObject = (file: StoredFile): Readonly<Record<string, unknown>> => ({
  id: file.id,
  object: "file",
  bytes: file.bytes,
  created_at: file.createdAt,
  filename: file.filename,
  purpose: purposeOf(file.purpose),
  sample_type: sampleTypes[file.purpose],
  num_lines: linesOf(file),
  mimetype: file.contentType,
  source: file.purpose === "batch_result" || file.purpose === "batch_error" ? "mistral" : "upload",
  signature: file.sha256.slice(0, 32),
  expires_at: file.expiresAt ?? null,
  visibility: "workspace"
})

/** The unit of `expiry` is nowhere written down; the emulator takes it for hours, as that of signed addresses. */
const lifeOf = (field: Files.FieldOf): number | undefined => {
  const hours = field("expiry")
  return hours === undefined ? undefined : Files.integer("expiry", hours, 1, 24 * 365) * 3600
}

const list: Route = {
  name: "files.list",
  method: "GET",
  path: "/v1/files",
  receive: bodiless(({ account, query }) => {
    const size = Number(query.get("page_size") ?? "100")
    const page = Number(query.get("page") ?? "0")
    if (!(size >= 1 && size <= 1000)) throw new ApiError(422, "page_size: Input should be from 1 to 1000")
    const purpose = query.get("purpose")
    const found = account.files
      .all()
      .toReversed()
      .filter((file) => purpose === null || purposeOf(file.purpose) === purpose)
    return Answer.json(200, {
      data: found.slice(page * size, (page + 1) * size).map(toObject),
      object: "list",
      ...(query.get("include_total") === "false" ? {} : { total: found.length })
    })
  })
}

const retrieve: Route = {
  name: "files.retrieve",
  method: "GET",
  path: "/v1/files/:id",
  receive: bodiless(({ account, params }) => {
    const file = account.files.look(params["id"] ?? "")
    if (file === undefined) throw new ApiError(404, "No file found", { param: "file_id" })
    return Answer.json(200, { ...toObject(file), deleted: false })
  })
}

export const routes: ReadonlyArray<Route> = [
  ...Files.make({
    purposes: ["fine-tune", "batch", "ocr"],
    withoutDownload: new Set(),
    lifeParts: ["expiry", "visibility"],
    lifeOf,
    toObject,
    paged: false
  }).filter(({ name }) => name !== "files.list" && name !== "files.retrieve"),
  list,
  retrieve
]
