export * as ConnectionUrl from "./ConnectionUrl.ts"
export * as PostgresRegistry from "./PostgresRegistry.ts"
