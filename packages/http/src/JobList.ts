/** A page of jobs as OpenAI's lists are. */
import type { JsonObject } from "@omnifile/core/Json"

export const list = (data: ReadonlyArray<JsonObject>, hasMore: boolean) => ({
  object: "list" as const,
  data,
  first_id: data[0]?.["id"] ?? null,
  last_id: data.at(-1)?.["id"] ?? null,
  has_more: hasMore
})
