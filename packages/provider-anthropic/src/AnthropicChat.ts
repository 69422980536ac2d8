/** OpenAI's chat completions and responses on Anthropic's models, by the AI SDK's code for them. */
import { isObject } from "@omnifile/core/Json"
import * as Translator from "@omnifile/translation/Translator"

const models = async (): Promise<Translator.Model> => {
  const { createAnthropic } = await import("@ai-sdk/anthropic")
  return (name, { fetch, key, origin }) => createAnthropic({ apiKey: key, baseURL: `${origin}/v1`, fetch })(name)
}

/** The API may send events of other kinds at any time, which are not to trouble anybody who does not know them. */
const events: ReadonlySet<unknown> = new Set([
  "message_start",
  "content_block_start",
  "content_block_delta",
  "content_block_stop",
  "message_delta",
  "message_stop",
  "ping",
  "error"
])

export const chat = Translator.make({
  load: models,
  reference: "anthropic",
  fetches: true,
  serial: { anthropic: { disableParallelToolUse: true } },
  promptsForJson: () => true,
  unknown: (event) => isObject(event) && typeof event["type"] === "string" && !events.has(event["type"])
})
