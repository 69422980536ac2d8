/** OpenAI's Responses API: https://platform.openai.com/docs/api-reference/responses */
import type { ContainerFileProtocol, ResponseProtocol } from "@omnifile/core/Provider"

/** Not built yet: accounts do not speak it. */
export const responses: ResponseProtocol | null = null

/** Not built yet: accounts do not speak it. */
export const containerFiles: ContainerFileProtocol | null = null
