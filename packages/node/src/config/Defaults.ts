/** What holds where a configuration says nothing. Those of files and of calls to accounts are the core's. */
import { resolve } from "node:path"
import type { ServerSettings, StorageSettings } from "./Configuration.ts"

/** By provider. An account of another provider has to have a `base_url`. */
export const defaultBaseUrls: ReadonlyMap<string, string> = new Map([
  ["openai", "https://api.openai.com/v1"],
  ["anthropic", "https://api.anthropic.com"],
  ["gemini", "https://generativelanguage.googleapis.com"],
  ["vertex", "https://aiplatform.googleapis.com/v1"],
  ["mistral", "https://api.mistral.ai/v1"],
  ["groq", "https://api.groq.com/openai/v1"],
  ["xai", "https://api.x.ai/v1"],
  ["together", "https://api.together.ai/v1"],
  ["fireworks", "https://api.fireworks.ai/inference/v1"],
  ["deepseek", "https://api.deepseek.com/v1"],
  ["ollama", "http://127.0.0.1:11434/v1"]
])

export const server: ServerSettings = {
  host: "127.0.0.1",
  port: 4000,
  maxBodySize: 64 * 1024 * 1024,
  shutdownTimeout: 25_000,
  log: { format: "auto", level: "Info" }
}

export const storage = (cwd: string): StorageSettings => ({
  registry: { _tag: "Sqlite", filename: resolve(cwd, "data/omnifile.db") },
  cache: "memory",
  content: { _tag: "Disk", directory: resolve(cwd, "data/blobs") }
})
