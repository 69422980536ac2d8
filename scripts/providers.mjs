// Writes docs/providers.md from what the built-in providers say of themselves; with --check, says whether it is up to date.
import { readFileSync, writeFileSync } from "node:fs"
import path from "node:path"
import { builtInProviders } from "../packages/node/src/Providers.ts"

const file = path.join(import.meta.dirname, "../docs/providers.md")

const none = "–"

/** Each with the step in which it is counted. */
const units = [
  ["GiB", 2 ** 30, 2 ** 30],
  ["MiB", 2 ** 20, 2 ** 20],
  ["GB", 1e9, 1e8],
  ["MB", 1e6, 1]
]

const size = (bytes) => {
  const [unit, factor] = units.find(([, least, step]) => bytes >= least && bytes % step === 0) ?? ["bytes", 1]
  return `${bytes / factor} ${unit}`
}

const span = (seconds) => (seconds % 86_400 === 0 ? `${seconds / 86_400} d` : `${seconds / 3_600} h`)

const life = (files) => {
  if (files.life === null) return "until it is deleted"
  return files.life._tag === "Fixed"
    ? span(files.life.seconds)
    : `${span(files.life.shortest)} to ${span(files.life.longest)}, or until it is deleted`
}

const upload = ({ maxBytes, parts }) => {
  const limit = parts?.maxBytes ?? maxBytes
  return limit === null ? "yes" : `up to ${size(limit)}`
}

/** How a wire is spoken: as the client sends it, translated, or not. */
const spoken = (native, translated) => (native ? "yes" : translated ? "translated" : none)

const rules = (given) => {
  const kinds = given.map(({ maxBytes, types }) => {
    const names = types.includes("*/*") ? ["any"] : types.map((type) => `\`${type}\``)
    return `${names.join(", ")}${maxBytes === null ? "" : ` (${size(maxBytes)})`}`
  })
  return kinds.length === 0 ? none : kinds.join("; ")
}

const table = (head, rows) =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n")

/** Providers, and after each what it is for an account with a bucket, where that makes a difference. */
const entries = builtInProviders.flatMap((provider) => {
  const name = `\`${provider.id}\``
  const filled = provider.specialise?.({ bucket: { name: "", prefix: "", baseUrl: "" } }, null)
  return [{ ...provider, name }, ...(filled === undefined ? [] : [{ ...filled, name: `${name} with a bucket` }])]
})

const filesOf = ({ batches, files, fineTuning, foreignBatches, name }) =>
  files === null
    ? [name, none, none, none, spoken(batches !== null, foreignBatches !== null), none]
    : [
        name,
        upload(files),
        files.content === null ? "no" : "where the provider allows it",
        life(files),
        spoken(batches !== null, foreignBatches !== null),
        spoken(fineTuning !== null)
      ]

const wires = ({ chat, chatCompletion, id, messages, responses }) => [
  `\`${id}\``,
  spoken(chatCompletion !== null, chat !== null),
  spoken(responses !== null, chat !== null),
  spoken(messages !== null)
]

/** Only for wires that are spoken: elsewhere no call has a file. */
const speaks = ({ chat, chatCompletion, messages, responses }) => ({
  chat: chatCompletion !== null || chat !== null,
  responses: responses !== null || chat !== null,
  messages: messages !== null
})

const uses = (provider) =>
  Object.entries(provider.capabilities)
    .filter(([use]) => speaks(provider)[use])
    .map(([use, { inline, reference, requestBytes }]) => [
      provider.name,
      use,
      rules(reference),
      rules(inline),
      requestBytes === null ? none : size(requestBytes)
    ])

const text = `<!-- Written by scripts/providers.mjs from the providers' own declarations; do not edit. -->

# Providers

What accounts with \`provider: NAME\` can do. The gateway decides by the same values that this page is written from, in
[\`packages/node/src/Providers.ts\`](../packages/node/src/Providers.ts) and the packages that it names. Any other provider is
[a value of your own](../packages/provider-openai/README.md).

## Files and jobs

**Copy**: the largest file that is uploaded. **Given out**: whether the provider gives a copy's content out again; the
gateway answers with its own bytes in any case. **Kept**: for how long a copy may be kept; one that is wanted after that is
made again. **Batches**: of OpenAI's JSONL, as it is or translated line by line.

${table(["Provider", "Copy", "Given out", "Kept", "Batches", "Fine-tuning"], entries.map(filesOf))}

## Calls

OpenAI's chat completions and responses, and Anthropic's messages: as the client sends them, or translated.

${table(["Provider", "Chat completions", "Responses", "Messages"], builtInProviders.map(wires))}

## Files in calls

Which content a call may name by the ID of a file of which the provider has a copy, and which goes within the call in
base64 (\`files: inline\`, or where there is no other way), each with the most bytes of one file. What a table does not have
is refused with 400 before anything is sent. By reference, only Amazon's Nova takes files on Bedrock and only Google's models
on Vertex AI; all others get them within the call there.

${table(["Provider", "Call", "By reference", "Within the call", "Whole request"], entries.flatMap(uses))}
`

if (process.argv.includes("--check")) {
  if (readFileSync(file, "utf8") !== text) {
    console.log("docs/providers.md is not what the providers say: node scripts/providers.mjs")
    process.exitCode = 1
  }
} else {
  writeFileSync(file, text)
}
