/** The files that batches end with, as their clients read them. */
import type OpenAI from "openai"

export interface Line {
  readonly custom_id: string
  readonly response: { readonly status_code: number; readonly body: OpenAI.ChatCompletion } | null
  readonly error: { readonly code: string; readonly message: string } | null
}

/** The lines of an output or error file; none where a batch has no such file. */
export const read = async (client: OpenAI, id: string | null | undefined): Promise<ReadonlyArray<Line>> => {
  if (id === null || id === undefined) return []
  const text = await (await client.files.content(id)).text()
  return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Line]))
}
