/** The protocol families that accounts can speak. */
import type { Provider } from "@omnifile/core/Provider"
import { anthropic } from "@omnifile/provider-anthropic/Anthropic"
import { azure } from "@omnifile/provider-azure/Azure"
import { gemini } from "@omnifile/provider-gemini/Gemini"
import { openai } from "@omnifile/provider-openai/OpenAI"
import { deepseek, fireworks, groq, litellm, ollama, vllm } from "@omnifile/provider-openai/Vendors"

export const builtInProviders: ReadonlyArray<Provider> = [
  openai,
  azure,
  anthropic,
  gemini,
  groq,
  fireworks,
  deepseek,
  vllm,
  ollama,
  litellm
]
