export * as OpenAI from "./OpenAI.ts"
