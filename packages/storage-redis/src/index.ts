export * as RedisLimits from "./RedisLimits.ts"
export * as RedisRegistry from "./RedisRegistry.ts"
