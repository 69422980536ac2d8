/**
 * An emulator of a resource of Azure OpenAI on loopback, with the accounts, faults and journal of the `OpenAIEmulator`.
 * Its base URL is that of the v1 API; the API with dates for versions is at `/openai` of the same origin.
 */
import { dialect } from "./azure/Azure.ts"
import type { Emulator, EmulatorOptions } from "./OpenAIEmulator.ts"
import { startDialect } from "./OpenAIEmulator.ts"

/** Starts an emulator on 127.0.0.1. Rejects when the port is taken or the accounts are not told apart. */
export const start = async (options: EmulatorOptions): Promise<Emulator> => {
  const emulator = await startDialect(dialect, options)
  // A file is pending until somebody has looked at it.
  for (const { name } of options.accounts) emulator.setProcessing(name, { looks: 1 })
  return emulator
}
