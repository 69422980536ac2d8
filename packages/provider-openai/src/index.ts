export * as OpenAI from "./OpenAI.ts"
export * as Vendors from "./Vendors.ts"
