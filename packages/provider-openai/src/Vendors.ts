/** Vendors whose API has the shape of OpenAI's, each with what it does otherwise. */
import { type Capabilities, noFiles, type UseCapabilities } from "@omnifile/core/FileCapabilities"
import type { Provider } from "@omnifile/core/Provider"
import { make } from "./OpenAI.ts"

const megabyte = 1_000_000

/** Images within a call, as `image_url` with a `data:` URL, and no other file. */
const withImages = (maxBytes: number): Capabilities => {
  const images: UseCapabilities = {
    reference: [],
    inline: [{ types: ["image/png", "image/jpeg", "image/gif", "image/webp"], maxBytes }],
    requestBytes: null
  }
  return { chat: images, responses: noFiles, messages: noFiles }
}

const noFilesAtAll: Capabilities = { chat: noFiles, responses: noFiles, messages: noFiles }

/** https://console.groq.com/docs/api-reference: files are inputs of batches, and nothing else. */
export const groq: Provider = make({
  id: "groq",
  files: {
    maxBytes: 100 * megabyte,
    expiry: null,
    pageSize: null,
    takes: ({ filename, purpose }) => purpose === "batch" && filename.endsWith(".jsonl")
  },
  capabilities: withImages(4 * megabyte),
  responses: false,
  fineTuning: false
})

/** https://docs.fireworks.ai/api-reference: its batches are of datasets of its own. */
export const fireworks: Provider = make({ id: "fireworks", files: null, capabilities: withImages(10 * megabyte) })

/** https://api-docs.deepseek.com */
export const deepseek: Provider = make({ id: "deepseek", files: null, capabilities: noFilesAtAll, responses: false })

/** https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html */
export const vllm: Provider = make({ id: "vllm", files: null, capabilities: withImages(20 * megabyte) })

/** https://github.com/ollama/ollama/blob/main/docs/openai.md */
export const ollama: Provider = make({
  id: "ollama",
  files: null,
  capabilities: withImages(100 * megabyte),
  responses: false
})

/** https://docs.litellm.ai: it serves other vendors' files under the shape of OpenAI's. */
export const litellm: Provider = make({ id: "litellm" })
