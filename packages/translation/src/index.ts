export * as Translator from "./Translator.ts"
