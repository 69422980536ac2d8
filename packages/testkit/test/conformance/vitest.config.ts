import { defineConfig } from "vitest/config"

export default defineConfig({
  test: { root: import.meta.dirname, include: ["mutants.suite.ts"], testTimeout: 3_000 }
})
