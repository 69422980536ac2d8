/** OpenAI's chat completions and responses on Vertex AI's models of Google and Anthropic, by the AI SDK's code for them. */
import * as Translator from "@omnifile/translation/Translator"

/** Models of Anthropic have an endpoint, and a wire, of their own. */
export const isClaude = (model: string): boolean => model.startsWith("claude-")

const models = async (): Promise<Translator.Model> => {
  // The entries for the edge come without a library that looks for credentials on this machine.
  const [{ createGoogleVertex }, { createGoogleVertexAnthropic }] = await Promise.all([
    import("@ai-sdk/google-vertex/edge"),
    import("@ai-sdk/google-vertex/anthropic/edge")
  ])
  return (name, { fetch, key, origin }) =>
    isClaude(name)
      ? createGoogleVertexAnthropic({
          baseURL: `${origin}/publishers/anthropic/models`,
          generateAuthToken: async () => key,
          fetch
        })(name)
      : createGoogleVertex({ apiKey: key, baseURL: `${origin}/publishers/google`, fetch })(name)
}

/** Claude fetches nothing on Vertex AI, whatever Gemini may. Only Claude has a word for one tool at a time. */
export const chat = Translator.make({
  load: models,
  reference: null,
  fetches: false,
  serial: { anthropic: { disableParallelToolUse: true } },
  promptsForJson: isClaude
})
