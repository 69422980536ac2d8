import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["packages/*/test/**/*.test.ts", "apps/*/test/**/*.test.ts", "examples/test/**/*.test.ts"],
    globalSetup: ["packages/storage-postgres/test/support/globalSetup.ts"],
    // More than there are cores: much of the time tests wait for servers.
    maxWorkers: availableParallelism() + 1,
    // Loading Effect anew for every file takes a third of the time.
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 60_000
  }
})
