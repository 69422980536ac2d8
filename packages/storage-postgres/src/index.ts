export * as ConnectionUrl from "./ConnectionUrl.ts"
export * as PostgresBlobs from "./PostgresBlobs.ts"
export * as PostgresRegistry from "./PostgresRegistry.ts"
