/** Files, batches and chat on Together's API. */
export * as Together from "./Together.ts"
