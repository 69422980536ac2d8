/** Azure OpenAI. */
export * as Azure from "./Azure.ts"
