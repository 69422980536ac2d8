export * as SqliteRegistry from "./SqliteRegistry.ts"
