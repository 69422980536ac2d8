/** CPU profiles of servers: kept as files for a viewer, and summed up by where the time went. */
import { readFile } from "node:fs/promises"
import type { Profiler } from "node:inspector"
import { basename, join } from "node:path"
import type { Child } from "./Child.ts"

interface Sampled {
  readonly label: string
  readonly server: Child
}

/** What a function belongs to, by the address of its source. The first that matches counts. */
const areas: ReadonlyArray<readonly [area: string, pattern: RegExp]> = [
  ["omnifile", /\/packages\/[\w-]+\/(?:src|dist)\/|\/bench\/(?:servers|references)\//],
  ["undici", /\/undici(?:@[^/]*)?\//],
  ["effect", /\/node_modules\/(?:@effect\/|effect\/)/],
  ["koa, express and others", /\/node_modules\//],
  ["node: http", /^node:(?:_http|internal\/http)/],
  ["node: streams", /^node:(?:internal\/streams|stream|internal\/(?:webstreams|abort_controller|event_target)|events)/],
  ["node: sockets", /^node:(?:net|internal\/(?:net|stream_base_commons|timers)|timers|dns)/],
  ["node: other", /^node:/]
]

const areaOf = ({ functionName, url }: Profiler.Profile["nodes"][number]["callFrame"]): string => {
  if (functionName === "(garbage collector)") return "garbage collector"
  if (functionName === "(program)") return "native code outside of functions"
  if (url === "") return "native functions"
  return areas.find(([, pattern]) => pattern.test(url))?.[0] ?? "other"
}

const placeOf = ({ functionName, lineNumber, url }: Profiler.Profile["nodes"][number]["callFrame"]): string => {
  const file = url === "" ? "" : ` ${url.startsWith("node:") ? url : basename(url)}:${lineNumber + 1}`
  return `${functionName === "" ? "(anonymous)" : functionName}${file}`
}

interface Share {
  readonly area: string
  readonly place: string
  /** Microseconds in all. */
  readonly self: number
}

const sharesOf = ({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): ReadonlyArray<Share> => {
  const selfById = new Map<number, number>()
  // A delta is the time before its sample, so a sample stands for the delta after it.
  for (const [index, id] of samples.entries()) selfById.set(id, (selfById.get(id) ?? 0) + (timeDeltas[index + 1] ?? 0))
  const shares = new Map<string, Share>()
  for (const { callFrame, id } of nodes) {
    if (callFrame.functionName === "(idle)" || callFrame.functionName === "(root)") continue
    const area = areaOf(callFrame)
    const place = placeOf(callFrame)
    const key = `${area} ${place} ${callFrame.url}`
    const self = (shares.get(key)?.self ?? 0) + (selfById.get(id) ?? 0)
    shares.set(key, { area, place, self })
  }
  return [...shares.values()].sort((a, b) => b.self - a.self)
}

const topFunctions = 12

/** Areas by self time, and the functions of each that took most, in microseconds a request. */
const summarise = (profile: Profiler.Profile, requests: number): string => {
  const shares = sharesOf(profile)
  const byArea = Map.groupBy(shares, ({ area }) => area)
  const sum = (items: ReadonlyArray<Share>): number => items.reduce((total, { self }) => total + self, 0)
  const perRequest = (self: number): string => (self / requests).toFixed(1).padStart(8)
  const lines = [...byArea]
    .sort(([, a], [, b]) => sum(b) - sum(a))
    .flatMap(([area, items]) => [
      `${perRequest(sum(items))} us  ${area}`,
      ...items.slice(0, topFunctions).map(({ place, self }) => `${perRequest(self)}         ${place}`)
    ])
  return [`${perRequest(sum(shares))} us a request, ${requests} requests`, ...lines].join("\n")
}

/** Ends the profile of a server, writes it, and prints what is in it. */
export const save = async (
  directory: string,
  name: string,
  { label, server }: Sampled,
  requests: number
): Promise<void> => {
  const file = join(directory, `${`${name}-${label}`.replaceAll(/[^\w.]+/g, "-")}.cpuprofile`)
  await server.ask("stopProfile", file)
  const profile = JSON.parse(await readFile(file, "utf8")) as Profiler.Profile
  console.log(`\n${label}: ${file}\n${summarise(profile, requests)}\n`)
}
