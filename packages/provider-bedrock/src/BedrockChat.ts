/** OpenAI's chat completions and responses on Bedrock's models, by the AI SDK's code for its Converse API. */
import * as Translator from "@omnifile/translation/Translator"
import * as DocumentNames from "./DocumentNames.ts"

const models = async (): Promise<Translator.Model> => {
  const { createAmazonBedrock } = await import("@ai-sdk/amazon-bedrock")
  return (name, { fetch, key, origin }) =>
    createAmazonBedrock({ apiKey: key, baseURL: origin, fetch: DocumentNames.distinct(fetch) })(name)
}

/** Bedrock fetches nothing but objects of S3. Only Claude has a word for one tool at a time. */
export const chat = Translator.make({
  load: models,
  reference: "bedrock",
  fetches: false,
  serial: { anthropic: { disableParallelToolUse: true } }
})
