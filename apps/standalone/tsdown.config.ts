import plugin from "rollup-plugin-license"
import { defineConfig } from "tsdown"

// The package declares a default export, but is the function itself.
const license = plugin as unknown as typeof plugin.default

/** One file with all that it needs: it starts in half the time that loading the modules one by one takes. */
export default defineConfig({
  entry: ["src/main.ts"],
  format: "esm",
  platform: "node",
  dts: false,
  deps: { alwaysBundle: [/./], onlyBundle: false },
  // Loaded by the Redis client for a command that is never used here, and by that of Azure for proxies that ask for it.
  inputOptions: { resolve: { alias: { "@node-rs/xxhash": false, kerberos: false } } },
  // What is in the file is handed on under its own terms.
  plugins: [license({ thirdParty: { output: "dist/THIRD-PARTY-LICENSES.txt" } })]
})
