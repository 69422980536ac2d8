/** OpenAI's chat completions and responses on Anthropic's models, by the AI SDK's code for them. */
import * as Translator from "@omnifile/translation/Translator"

const models = async (): Promise<Translator.Model> => {
  const { createAnthropic } = await import("@ai-sdk/anthropic")
  return (name, { fetch, key, origin }) => createAnthropic({ apiKey: key, baseURL: `${origin}/v1`, fetch })(name)
}

export const chat = Translator.make({
  load: models,
  reference: "anthropic",
  fetches: true,
  serial: { anthropic: { disableParallelToolUse: true } }
})
