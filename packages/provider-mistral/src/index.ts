/** Files and chat on Mistral's API. */
export * as Mistral from "./Mistral.ts"
