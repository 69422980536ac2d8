/** Files, chat and batches on the Gemini API. */
export * as Gemini from "./Gemini.ts"
