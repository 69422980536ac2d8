/** OpenAI's Fine-tuning API: https://platform.openai.com/docs/api-reference/fine-tuning */
import type { FineTuningProtocol } from "@omnifile/core/Provider"

/** Not built yet: accounts do not speak it. */
export const fineTuning: FineTuningProtocol | null = null
