/** The protocol families that accounts can speak. */
import type { Provider } from "@omnifile/core/Provider"
import { anthropic } from "@omnifile/provider-anthropic/Anthropic"
import { gemini } from "@omnifile/provider-gemini/Gemini"
import { openai } from "@omnifile/provider-openai/OpenAI"

export const builtInProviders: ReadonlyArray<Provider> = [openai, anthropic, gemini]
