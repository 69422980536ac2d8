/**
 * Files of a resource: created with 201, where to find them and without their size, and pending until they have been
 * looked at. They live from fourteen days to thirty, or as long as they are not deleted.
 */
import * as Answer from "../openai/Answer.ts"
import { ApiError } from "../openai/Answer.ts"
import * as Files from "../openai/Files.ts"
import type { StoredFile } from "../openai/FileStore.ts"
import { newId } from "../openai/Ids.ts"
import type { Route } from "../openai/Route.ts"

const statuses = { processing: "pending", ready: "processed", failed: "error" } as const

const toObject = (file: StoredFile): Readonly<Record<string, unknown>> => ({
  ...Files.toObject(file),
  status: statuses[file.state]
})

export const routes: ReadonlyArray<Route> = Files.make({
  ...Files.openai,
  purposes: ["assistants", "batch", "fine-tune", "evals"],
  lifeOf: Files.anchoredLife(1_209_600, 2_592_000),
  newId: (purpose) => newId(purpose === "assistants" ? "assistant-" : "file-"),
  toObject,
  full: () =>
    new ApiError(400, "The quota for files without expiry is reached. The maximum is 500.", { code: "quotaExceeded" }),
  created: (file, { request }) => {
    const { bytes: _, ...object } = toObject(file)
    const [path = ""] = (request.url ?? "").split("?")
    return Answer.json(201, object, { location: `http://${request.headers.host ?? ""}${path}/${file.id}` })
  }
})
