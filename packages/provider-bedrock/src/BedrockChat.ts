/** OpenAI's chat completions and responses on Bedrock's models, by the AI SDK's code for its Converse API. */
import * as Translator from "@omnifile/translation/Translator"
import * as DocumentNames from "./DocumentNames.ts"
import * as S3Locations from "./S3Locations.ts"

const models = async (): Promise<Translator.Model> => {
  const { createAmazonBedrock } = await import("@ai-sdk/amazon-bedrock")
  return (name, { fetch, key, origin }) =>
    S3Locations.model(
      (send) => createAmazonBedrock({ apiKey: key, baseURL: origin, fetch: send })(name),
      DocumentNames.distinct(fetch)
    )
}

/** Bedrock fetches nothing but objects of S3. Only Claude has a word for one tool at a time. */
export const chat = Translator.make({
  load: models,
  reference: null,
  fetches: false,
  serial: { anthropic: { disableParallelToolUse: true } },
  promptsForJson: () => true
})
