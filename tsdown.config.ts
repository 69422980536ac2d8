import { globSync } from "node:fs"
import path from "node:path"
import { defineConfig, type UserConfig } from "tsdown"

/** How a package is built: one ES module and one declaration file for each of its modules. */
const library: UserConfig = {
  entry: ["src/**/*.ts"],
  format: "esm",
  platform: "node",
  unbundle: true,
  dts: { tsgo: { path: path.resolve("scripts/declarations.sh") } },
  deps: { neverBundle: true },
  report: false,
  logLevel: "warn",
  checks: { pluginTimings: false } // with all at once, each waits for the others
}

/** All packages in one process. */
export default defineConfig(globSync("packages/*").map((cwd) => ({ ...library, cwd })))
