/** The client side: closed loops of small requests, single large uploads and downloads. */
import { attach } from "../harness/Control.ts"
import { HttpConnection } from "./HttpConnection.ts"
import { download, upload } from "./Transfers.ts"

export interface RequestSet {
  readonly name: string
  readonly requests: ReadonlyArray<Uint8Array>
}

export interface LoopOptions {
  readonly port: number
  /** The name of a set that was defined before; its requests are sent in turn. */
  readonly requests: string
  readonly concurrency: number
  /** The answers are streams of events, to be counted and timed. */
  readonly streams: boolean
  /** No request is begun later than this, in milliseconds. */
  readonly duration: number
}

/** Times in microseconds. */
export interface Percentiles {
  readonly p50: number
  readonly p99: number
}

export interface LoopResult {
  readonly count: number
  readonly seconds: number
  /** From the first byte of the request to the last of the answer. */
  readonly latency: Percentiles
  /** Server-sent events that came in, and how long each was on its way. */
  readonly events: number
  readonly eventDelay: Percentiles
}

export type LoadCommands = {
  readonly define: (set: RequestSet) => void
  readonly loop: (options: LoopOptions) => Promise<LoopResult>
  readonly upload: typeof upload
  readonly download: typeof download
}

const sets = new Map<string, ReadonlyArray<Uint8Array>>()
const idle = new Map<number, Array<HttpConnection>>()

const microseconds = (): number => Number(process.hrtime.bigint() / 1000n)

const percentiles = (samples: ReadonlyArray<number>): Percentiles => {
  const sorted = Float64Array.from(samples).sort()
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
  return { p50: at(0.5), p99: at(0.99) }
}

/** Counts events by their timestamps, which the upstream puts in as microseconds of the machine's monotonic clock. */
const makeEventReader = (delays: Array<number>) => {
  let carried = ""
  return (piece: Buffer): void => {
    const now = microseconds()
    const events = (carried + piece.toString("latin1")).split("\n\n")
    carried = events.pop() ?? ""
    for (const event of events) {
      const sent = /"sent":(\d+)/.exec(event)?.[1]
      if (sent !== undefined) delays.push(now - Number(sent))
    }
  }
}

const connectionsTo = async (port: number, count: number): Promise<ReadonlyArray<HttpConnection>> => {
  const open = (idle.get(port) ?? []).filter((connection) => !connection.isClosed)
  const missing = Array.from({ length: Math.max(0, count - open.length) }, () => HttpConnection.open(port))
  const all = [...open, ...(await Promise.all(missing))]
  idle.set(port, all)
  return all.slice(0, count)
}

const loop = async ({ concurrency, duration, port, requests: name, streams }: LoopOptions): Promise<LoopResult> => {
  const requests = sets.get(name) ?? []
  const connections = await connectionsTo(port, concurrency)
  const latencies: Array<number> = []
  const delays: Array<number> = []
  let next = 0
  const started = microseconds()
  const deadline = started + duration * 1000
  await Promise.all(
    connections.map(
      (connection) =>
        new Promise<void>((resolve, reject) => {
          const onBody = makeEventReader(delays)
          const again = (): void => {
            const request = requests[next++ % requests.length]
            const begun = microseconds()
            if (begun >= deadline || request === undefined) return resolve()
            connection.send(request, {
              onBody: streams ? onBody : undefined,
              onError: reject,
              onEnd: (status) => {
                if (status !== 200) return reject(new Error(`${name}: status ${status}`))
                latencies.push(microseconds() - begun)
                again()
              }
            })
          }
          again()
        })
    )
  )
  return {
    count: latencies.length,
    seconds: (microseconds() - started) / 1e6,
    latency: percentiles(latencies),
    events: delays.length,
    eventDelay: percentiles(delays)
  }
}

attach<LoadCommands>(0, {
  define: ({ name, requests }) => void sets.set(name, requests),
  loop,
  upload,
  download
})
