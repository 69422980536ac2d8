/** Emulated providers. The conformance suites are modules of their own, because they need vitest. */
export * as AnthropicEmulator from "./AnthropicEmulator.ts"
export * as AzureEmulator from "./AzureEmulator.ts"
export * as GeminiEmulator from "./GeminiEmulator.ts"
export * as OpenAIEmulator from "./OpenAIEmulator.ts"
