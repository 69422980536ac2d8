/** Structured logs on standard output: JSON for machines, or lines for people. */
import { RequestLog, type RequestLogEntry } from "@omnifile/http/Endpoint"
import * as Layer from "effect/Layer"
import * as LogLevel from "effect/LogLevel"
import * as Logger from "effect/Logger"
import * as References from "effect/References"

export interface LogSettings {
  /** `auto` is `pretty` on a terminal and `json` elsewhere. */
  readonly format: "json" | "pretty" | "auto"
  /** Answered requests are written at `Info`. */
  readonly level: LogLevel.LogLevel
}

const isPretty = ({ format }: LogSettings): boolean =>
  format === "pretty" || (format === "auto" && process.stdout.isTTY === true)

const text = (value: string | null): string => (value === null ? "null" : JSON.stringify(value))

/** Most requests are in no trace. */
const traced = ({ traceId }: RequestLogEntry): string => (traceId === null ? "" : `"traceId":${text(traceId)},`)

/** Written out by hand: it is done for every request, and a general writer takes several times as long. */
const jsonLine = (time: string, entry: RequestLogEntry): string =>
  `{"level":"${entry.status >= 500 ? "ERROR" : "INFO"}","timestamp":"${time}","message":"request",` +
  `"requestId":${text(entry.requestId)},${traced(entry)}"method":${text(entry.method)},"path":${text(entry.path)},` +
  `"status":${entry.status},"duration":${entry.duration},"user":${text(entry.user)},"team":${text(entry.team)},` +
  `"error":${text(entry.error)}}\n`

/** A path is the client's: quoted where it has anything that could end the line or a word. */
const word = (value: string): string => (/^[\x21-\x7e]*$/.test(value) ? value : JSON.stringify(value))

const prettyLine = (time: string, entry: RequestLogEntry): string =>
  `${time} ${word(entry.method)} ${word(entry.path)} ${entry.status} ${entry.duration} ms ${entry.requestId}` +
  `${entry.traceId === null ? "" : ` trace=${entry.traceId}`}${entry.user === null ? "" : ` user=${word(entry.user)}`}${entry.error === null ? "" : ` ${text(entry.error)}`}\n`

/** One line a request, collected for a moment and written together: a write for each would cost more than the rest. */
const requestWriter = (line: (time: string, entry: RequestLogEntry) => string): ((entry: RequestLogEntry) => void) => {
  let pending: Array<RequestLogEntry> = []
  const flush = (): void => {
    const entries = pending
    pending = []
    const time = new Date().toISOString()
    let lines = ""
    for (const entry of entries) lines += line(time, entry)
    process.stdout.write(lines)
  }
  return (entry) => {
    if (pending.length === 0) setImmediate(flush)
    pending.push(entry)
  }
}

export const layer = (settings: LogSettings): Layer.Layer<never> => {
  const pretty = isPretty(settings)
  const writesRequests = LogLevel.isLessThanOrEqualTo(settings.level, "Info")
  return Layer.mergeAll(
    Logger.layer([pretty ? Logger.consolePretty() : Logger.consoleJson]),
    Layer.succeed(References.MinimumLogLevel, settings.level),
    Layer.succeed(RequestLog, writesRequests ? requestWriter(pretty ? prettyLine : jsonLine) : () => {})
  )
}
