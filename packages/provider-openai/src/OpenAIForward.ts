/** Calls on OpenAI's wire that go on as they are. */
import type { Provider } from "@omnifile/core/Provider"

/** Not built yet: accounts do not speak it. */
export const forward: Provider["forward"] = null
