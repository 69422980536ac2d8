/** CPU profiles of servers: kept as files for a viewer, and summed up by where the time went. */
import { readFile } from "node:fs/promises"
import type { Profiler } from "node:inspector"
import { basename, join } from "node:path"
import type { Child } from "./Child.ts"

interface Sampled {
  readonly label: string
  readonly server: Child
}

type Node = Profiler.Profile["nodes"][number]

const own = "omnifile"

/** What a function belongs to, by the address of its source. The first that matches counts. */
const areas: ReadonlyArray<readonly [area: string, pattern: RegExp]> = [
  [own, /\/packages\/[\w-]+\/(?:src|dist)\/|\/bench\/(?:servers|references)\//],
  ["undici", /\/undici(?:@[^/]*)?\//],
  ["effect", /\/node_modules\/(?:@effect\/|effect\/)/],
  ["koa, express and others", /\/node_modules\//],
  ["node: http", /^node:(?:_http|internal\/http)/],
  ["node: streams", /^node:(?:internal\/streams|stream|internal\/(?:webstreams|abort_controller|event_target)|events)/],
  ["node: sockets", /^node:(?:net|internal\/(?:net|stream_base_commons|timers)|timers|dns)/],
  ["node: other", /^node:/]
]

const areaOf = ({ functionName, url }: Node["callFrame"]): string => {
  if (functionName === "(garbage collector)") return "garbage collector"
  if (functionName === "(program)") return "native code outside of functions"
  if (url === "") return "native functions"
  return areas.find(([, pattern]) => pattern.test(url))?.[0] ?? "other"
}

const placeOf = ({ functionName, lineNumber, url }: Node["callFrame"]): string => {
  const file = url === "" ? "" : ` ${url.startsWith("node:") ? url : basename(url)}:${lineNumber + 1}`
  return `${functionName === "" ? "(anonymous)" : functionName}${file}`
}

/** Self time by node, in microseconds, without idle time. */
const selfTimes = ({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): ReadonlyMap<Node, number> => {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const times = new Map<Node, number>()
  // A delta is the time before its sample, so a sample stands for the delta after it.
  for (const [index, id] of samples.entries()) {
    const node = byId.get(id)
    const isWork = node !== undefined && !["(idle)", "(root)"].includes(node.callFrame.functionName)
    if (isWork) times.set(node, (times.get(node) ?? 0) + (timeDeltas[index + 1] ?? 0))
  }
  return times
}

/** The nearest function of ours on the stack of each node, itself included. */
const ownersOf = ({ nodes }: Profiler.Profile): ReadonlyMap<Node, string> => {
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node] as const)))
  const owners = new Map<Node, string>()
  const find = (node: Node | undefined): string => {
    if (node === undefined) return "(none: the event loop calls Node.js or undici)"
    const owner = areaOf(node.callFrame) === own ? placeOf(node.callFrame) : find(parents.get(node.id))
    owners.set(node, owner)
    return owner
  }
  for (const node of nodes) find(node)
  return owners
}

const sumBy = (times: ReadonlyMap<Node, number>, keyOf: (node: Node) => string): ReadonlyArray<[string, number]> => {
  const sums = new Map<string, number>()
  for (const [node, time] of times) {
    const key = keyOf(node)
    sums.set(key, (sums.get(key) ?? 0) + time)
  }
  return [...sums].sort(([, a], [, b]) => b - a)
}

const topOfArea = 8
const topOwners = 30

/**
 * Microseconds a request: by area with the functions of each that took most, and by function of ours with all
 * that it calls outside.
 */
const summarise = (profile: Profiler.Profile, requests: number): string => {
  const times = selfTimes(profile)
  const owners = ownersOf(profile)
  const line = ([name, time]: readonly [string, number], indent = ""): string =>
    `${(time / requests).toFixed(1).padStart(8)}  ${indent}${name}`
  const total = [...times.values()].reduce((sum, time) => sum + time, 0)
  const byArea = sumBy(times, ({ callFrame }) => areaOf(callFrame)).flatMap(([area, time]) => {
    const within = new Map([...times].filter(([{ callFrame }]) => areaOf(callFrame) === area))
    const functions = sumBy(within, ({ callFrame }) => placeOf(callFrame)).slice(0, topOfArea)
    return [line([area, time]), ...functions.map((entry) => line(entry, "    "))]
  })
  const byOwner = sumBy(times, (node) => owners.get(node) ?? "").slice(0, topOwners)
  return [
    line([`us a request, ${requests} requests; self time by area:`, total]),
    ...byArea,
    "Functions of ours with what they call outside:",
    ...byOwner.map((entry) => line(entry))
  ].join("\n")
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
