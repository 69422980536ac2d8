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

/** One line a request, collected for a moment and written together: a write for each would cost more than the rest. */
const requestWriter = (pretty: boolean): ((entry: RequestLogEntry) => void) => {
  let pending: Array<string> = []
  const flush = (): void => {
    const lines = pending.join("")
    pending = []
    process.stdout.write(lines)
  }
  const render = (time: string, entry: RequestLogEntry): string =>
    pretty
      ? `${time} ${entry.method} ${entry.path} ${entry.status} ${entry.duration} ms ${entry.requestId}` +
        `${entry.user === null ? "" : ` user=${entry.user}`}${entry.error === null ? "" : ` ${entry.error}`}\n`
      : `${JSON.stringify({ level: entry.status >= 500 ? "ERROR" : "INFO", timestamp: time, message: "request", ...entry })}\n`
  return (entry) => {
    if (pending.length === 0) setImmediate(flush)
    pending.push(render(new Date().toISOString(), entry))
  }
}

export const layer = (settings: LogSettings): Layer.Layer<never> => {
  const pretty = isPretty(settings)
  const writesRequests = LogLevel.isLessThanOrEqualTo(settings.level, "Info")
  return Layer.mergeAll(
    Logger.layer([pretty ? Logger.consolePretty() : Logger.consoleJson]),
    Layer.succeed(References.MinimumLogLevel, settings.level),
    Layer.succeed(RequestLog, writesRequests ? requestWriter(pretty) : () => {})
  )
}
