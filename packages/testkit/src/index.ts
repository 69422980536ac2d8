/** Emulated providers. The conformance suites are modules of their own, because they need vitest. */
export * as AnthropicEmulator from "./AnthropicEmulator.ts"
export * as AzureEmulator from "./AzureEmulator.ts"
export * as GeminiEmulator from "./GeminiEmulator.ts"
export * as GroqEmulator from "./GroqEmulator.ts"
export * as MistralEmulator from "./MistralEmulator.ts"
export * as OpenAIEmulator from "./OpenAIEmulator.ts"
export * as TogetherEmulator from "./TogetherEmulator.ts"
export * as XaiEmulator from "./XaiEmulator.ts"
