/** Files, chat and responses on xAI's API. */
export * as Xai from "./Xai.ts"
