/** OpenAI's chat completions and responses on Gemini's models, by the AI SDK's code for them. */
import * as Translator from "@omnifile/translation/Translator"

const models = async (): Promise<Translator.Model> => {
  const { createGoogle } = await import("@ai-sdk/google")
  return (name, { fetch, key, origin }) => createGoogle({ apiKey: key, baseURL: `${origin}/v1beta`, fetch })(name)
}

/** Gemini fetches nothing but its own files and videos of one site, and has no word for one tool at a time. */
export const chat = Translator.make({ load: models, reference: "google", fetches: false })
