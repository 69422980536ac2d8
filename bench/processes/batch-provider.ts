/** A provider with batches: an emulator of one wire, in a process of its own, so that its memory is not the server's. */
import * as AnthropicEmulator from "@omnifile/testkit/AnthropicEmulator"
import * as GeminiEmulator from "@omnifile/testkit/GeminiEmulator"
import * as MistralEmulator from "@omnifile/testkit/MistralEmulator"
import * as OpenAIEmulator from "@omnifile/testkit/OpenAIEmulator"
import * as XaiEmulator from "@omnifile/testkit/XaiEmulator"
import { attach, readOptions } from "../harness/Control.ts"
import { providerKey } from "../servers/Installation.ts"

const emulators = {
  anthropic: AnthropicEmulator,
  gemini: GeminiEmulator,
  mistral: MistralEmulator,
  xai: XaiEmulator,
  openai: OpenAIEmulator
} as const

export type Wire = keyof typeof emulators

export type BatchProviderCommands = {
  /** The address that an account is configured with. */
  readonly baseUrl: (nothing: null) => string
  /** Answers all requests of all batches. */
  readonly answer: (nothing: null) => void
}

/** More steps than any batch has. */
const steps = 4

const account = "measured"
const emulator = await emulators[readOptions<Wire>()].start({
  accounts: [{ name: account, key: providerKey }],
  keepBytes: 1024 * 1024 * 1024,
  journal: { maxEntries: 100, bodyLimit: 1_024 }
})
attach<BatchProviderCommands>(0, {
  baseUrl: () => emulator.baseUrl,
  answer: () => {
    for (let step = 0; step < steps; step++) emulator.advanceBatches(account)
  }
})
