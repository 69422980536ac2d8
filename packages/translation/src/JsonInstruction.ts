/** The wish for JSON without a schema, for models whose provider has no such mode: the prompt says it. */
import type { LanguageModelV4CallOptions, LanguageModelV4Prompt } from "@ai-sdk/provider"

const instruction =
  "Answer with exactly one valid JSON object and nothing else: no Markdown fences, no text before or after it."

/** After the client's own instructions, which so keep the beginning that a provider may have in its cache. */
const instructed = (prompt: LanguageModelV4Prompt): LanguageModelV4Prompt => {
  const [first, ...rest] = prompt
  return first?.role === "system"
    ? [{ ...first, content: `${first.content}\n\n${instruction}` }, ...rest]
    : [{ role: "system", content: instruction }, ...prompt]
}

/** The call with the wish in its prompt; a schema, or none of it, stays as it is. */
export const inPrompt = (options: LanguageModelV4CallOptions): LanguageModelV4CallOptions => {
  const { responseFormat, ...others } = options
  return responseFormat?.type === "json" && responseFormat.schema === undefined
    ? { ...others, prompt: instructed(options.prompt) }
    : options
}
