import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["packages/*/test/**/*.test.ts", "apps/*/test/**/*.test.ts", "examples/test/**/*.test.ts"],
    globalSetup: ["packages/storage-postgres/test/support/globalSetup.ts"],
    // One on each core, even where there are only two: much of the time tests wait for servers.
    maxWorkers: "100%",
    // Loading Effect anew for every file takes a third of the time.
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 30_000
  }
})
