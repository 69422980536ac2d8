import { defineConfig } from "tsdown"

/** How a package under packages/ is built: one ES module and one declaration file for each of its modules. */
export default defineConfig({
  entry: ["src/**/*.ts"],
  format: "esm",
  platform: "node",
  unbundle: true,
  dts: true,
  deps: { neverBundle: true }
})
