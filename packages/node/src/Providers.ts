/** The protocol families that accounts can speak. */
import type { Provider } from "@omnifile/core/Provider"
import { anthropic } from "@omnifile/provider-anthropic/Anthropic"
import { azure } from "@omnifile/provider-azure/Azure"
import { bedrock } from "@omnifile/provider-bedrock/Bedrock"
import { gemini } from "@omnifile/provider-gemini/Gemini"
import { mistral } from "@omnifile/provider-mistral/Mistral"
import { openai } from "@omnifile/provider-openai/OpenAI"
import { deepseek, fireworks, groq, litellm, ollama, vllm } from "@omnifile/provider-openai/Vendors"
import { together } from "@omnifile/provider-together/Together"
import { vertex } from "@omnifile/provider-vertex/Vertex"
import { xai } from "@omnifile/provider-xai/Xai"

export const builtInProviders: ReadonlyArray<Provider> = [
  openai,
  azure,
  anthropic,
  gemini,
  vertex,
  bedrock,
  mistral,
  xai,
  together,
  groq,
  fireworks,
  deepseek,
  vllm,
  ollama,
  litellm
]
