/**
 * A batch of many lines on a provider of each wire: time, CPU and memory. See docs/performance.md.
 *
 * ```sh
 * node bench/batches.ts                             # 50,000 lines on every wire
 * node bench/batches.ts --wire gemini --lines 5000  # one wire, fewer lines
 * node bench/batches.ts --wire xai --node=--cpu-prof  # with options of Node.js for the server
 * ```
 */
import { once } from "node:events"
import { createWriteStream, openAsBlob } from "node:fs"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { Readable } from "node:stream"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { Child, loadCore } from "./harness/Child.ts"
import * as Memory from "./harness/Memory.ts"
import * as Program from "./harness/Program.ts"
import type { BatchProviderCommands, Wire } from "./processes/batch-provider.ts"
import { apiKey, authorization, providerKey, user } from "./servers/Installation.ts"

const wires: ReadonlyArray<Wire> = ["anthropic", "gemini", "mistral", "xai", "openai"]

const { values } = parseArgs({
  options: {
    wire: { type: "string" },
    lines: { type: "string", default: "50000" },
    node: { type: "string", multiple: true, default: [] }
  }
})
const lines = Number(values.lines)
const measured = wires.filter((wire) => values.wire === undefined || values.wire === wire)
if (measured.length === 0) throw new RangeError(`There is no wire ${values.wire}: ${wires.join(", ")}`)

const modelName = "batch-model"
const endpoint = "/v1/chat/completions"

/** xAI takes files of 50 MiB at most: the lines for it are shorter. */
const scaleOf = (wire: Wire): number => (wire === "xai" ? 0.6 : 1)

/** Most lines have about 1 KiB, every tenth has 4 KiB; every hundredth asks for what translated wires cannot do. */
const lineOf = (index: number, scale: number): string => {
  const size = (index % 10 === 3 ? 3_840 : 768) * scale
  const sentence = `Clause ${index}: the tenant pays the "deposit", à conserver, within 14 days.\n`
  return `${JSON.stringify({
    custom_id: `request-${index}`,
    method: "POST",
    url: endpoint,
    body: {
      model: modelName,
      messages: [
        { role: "system", content: "Say in one word what each clause of a lease is about." },
        { role: "user", content: sentence.repeat(Math.ceil(size / sentence.length)) }
      ],
      max_tokens: 100,
      temperature: 0.2,
      ...(index % 100 === 7 ? { n: 2 } : {})
    }
  })}\n`
}

const writeInput = async (path: string, scale: number): Promise<void> => {
  const file = createWriteStream(path)
  for (let index = 0; index < lines; index++) if (!file.write(lineOf(index, scale))) await once(file, "drain")
  file.end()
  await once(file, "close")
}

const configuration = (directory: string, wire: Wire, baseUrl: string): string =>
  JSON.stringify({
    accounts: [{ id: "measured", provider: wire, base_url: baseUrl, api_key: providerKey }],
    models: [{ name: modelName, deployments: [{ account: "measured", model: "provider-model" }] }],
    keys: [{ key: apiKey, user, role: "user", models: ["*"] }],
    storage: { registry: `sqlite:${directory}/omnifile.db`, content: `file:${directory}/blobs` },
    secret: "a secret of the benchmark, and of nothing else"
  })

/** CPU time of a process so far, in seconds. Linux only. */
const cpuOf = async (pid: number): Promise<number> => {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")
  const [user, system] = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13)
  return (Number(user) + Number(system)) / 100
}

interface Phase {
  readonly phase: string
  /** Seconds. */
  readonly time: number
  readonly cpu: number
  /** The most memory above that of the idle server, in MB. */
  readonly memory: number
  /** The longest time that another request waited, in milliseconds. */
  readonly stall: number
}

/** Asks the server again and again, until told to stop, how long it takes to answer. */
const watch = (port: number): (() => Promise<number>) => {
  const over = new AbortController()
  let longest = 0
  const ask = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const begun = performance.now()
      await (await fetch(`http://127.0.0.1:${port}/health/live`)).arrayBuffer()
      longest = Math.max(longest, performance.now() - begun)
      await sleep(5)
    }
  }
  const asking = ask()
  return async () => {
    over.abort()
    await asking
    return longest
  }
}

interface Batch {
  readonly id: string
  readonly status: string
  readonly output_file_id: string | null
  readonly error_file_id: string | null
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number }
}

const over = new Set(["completed", "failed", "cancelled", "expired"])

const run = async (wire: Wire, program: string, directory: string): Promise<void> => {
  const input = join(directory, "input.jsonl")
  await writeInput(input, scaleOf(wire))
  const provider = await Child.start<BatchProviderCommands>({
    module: "processes/batch-provider.ts",
    options: wire,
    core: loadCore
  })
  const config = join(directory, "omnifile.yaml")
  await writeFile(config, configuration(directory, wire, await provider.ask("baseUrl", null)))
  const server = await Program.start(program, config, values.node)
  const call = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = { authorization, ...(init.headers as Record<string, string> | undefined) }
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, { ...init, headers })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return answer
  }
  const json = async <A>(path: string, init?: RequestInit): Promise<A> => (await (await call(path, init)).json()) as A

  await sleep(1_000)
  const idle = await Memory.resident(server.pid)
  const phases: Array<Phase> = []
  const measure = async <A>(phase: string, work: () => Promise<A>): Promise<A> => {
    const cpu = await cpuOf(server.pid)
    await Memory.resetPeak(server.pid)
    const stop = watch(server.port)
    const begun = performance.now()
    const result = await work()
    const time = (performance.now() - begun) / 1000
    const stall = await stop()
    const memory = (await Memory.peak(server.pid)) - idle
    phases.push({ phase, time, cpu: (await cpuOf(server.pid)) - cpu, memory, stall })
    return result
  }

  const uploaded = await measure("upload", async () => {
    const form = new FormData()
    form.set("purpose", "batch")
    form.set("file", await openAsBlob(input), "input.jsonl")
    return json<{ readonly id: string }>("/v1/files", { method: "POST", body: form })
  })
  const created = await measure("create", () =>
    json<Batch>("/v1/batches", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ input_file_id: uploaded.id, endpoint, completion_window: "24h" })
    })
  )
  await provider.ask("answer", null)
  const ended = await measure("results", async () => {
    for (;;) {
      const batch = await json<Batch>(`/v1/batches/${created.id}`)
      if (over.has(batch.status)) return batch
      await sleep(50)
    }
  })
  const seen = new Set<string>()
  const counts = { completed: 0, failed: 0 }
  await measure("reading", async () => {
    const files = [
      ["completed", ended.output_file_id],
      ["failed", ended.error_file_id]
    ] as const
    for (const [kind, id] of files) {
      if (id === null) continue
      const { body } = await call(`/v1/files/${id}/content`)
      for await (const line of createInterface({ input: Readable.fromWeb(body as never) })) {
        const { custom_id: name } = JSON.parse(line) as { readonly custom_id: string }
        if (seen.has(name)) throw new Error(`${name} is there twice`)
        seen.add(name)
        counts[kind]++
      }
    }
  })
  await server.stop("SIGTERM")
  await provider.stop()

  const missing = Array.from({ length: lines }, (_, index) => `request-${index}`).filter((name) => !seen.has(name))
  if (missing.length > 0 || seen.size !== lines) {
    throw new Error(`${wire}: ${seen.size} lines instead of ${lines}; ${missing.slice(0, 3).join(", ")} missing`)
  }
  const { completed, failed, total } = ended.request_counts
  if (total !== lines || completed !== counts.completed || failed !== counts.failed) {
    throw new Error(`${wire}: counted ${JSON.stringify(ended.request_counts)}, found ${JSON.stringify(counts)}`)
  }
  console.log(`\n${wire}: idle ${idle.toFixed(0)} MB; ${ended.status}, ${completed} completed, ${failed} failed`)
  console.table(
    Object.fromEntries(
      phases.map(({ cpu, memory, phase, stall, time }) => [
        phase,
        {
          "time s": time.toFixed(1),
          "CPU s": cpu.toFixed(1),
          "memory MB": memory.toFixed(0),
          "stall ms": stall.toFixed(0)
        }
      ])
    )
  )
}

const directory = await mkdtemp(join(tmpdir(), "omnifile-batches-"))
try {
  const program = Program.build("koa-server")
  for (const wire of measured) {
    const data = await mkdtemp(join(directory, `${wire}-`))
    await run(wire, program, data)
    await rm(data, { recursive: true })
  }
} finally {
  await rm(directory, { recursive: true, force: true })
}
