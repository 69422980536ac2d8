/** An emulator of the xAI API on loopback, with the accounts, faults and journal of the `OpenAIEmulator`. */
import { dialect } from "./xai/Xai.ts"
import type { Emulator, EmulatorOptions } from "./OpenAIEmulator.ts"
import { startDialect } from "./OpenAIEmulator.ts"

/** Starts an emulator on 127.0.0.1. Rejects when the port is taken or the accounts are not told apart. */
export const start = (options: EmulatorOptions): Promise<Emulator> => startDialect(dialect, options)
