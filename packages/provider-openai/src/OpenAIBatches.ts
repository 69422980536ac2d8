/** OpenAI's Batch API: https://platform.openai.com/docs/api-reference/batch */
import type { BatchProtocol } from "@omnifile/core/Provider"

/** Not built yet: accounts do not speak it. */
export const batches: BatchProtocol | null = null
