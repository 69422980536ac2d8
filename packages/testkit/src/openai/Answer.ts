/**
 * What a route answers, as a value: the server writes it, and faults shape how it is written.
 */

/** A refusal, whose parts each API puts where it has a place for them. */
export class ApiError extends Error {
  readonly status: number
  readonly type: string
  readonly param: string | null
  readonly code: string | null
  /** What only one API knows of, in its own shape. */
  readonly more: Readonly<Record<string, unknown>> | undefined

  constructor(
    status: number,
    message: string,
    details: {
      readonly type?: string
      readonly param?: string
      readonly code?: string
      readonly more?: Readonly<Record<string, unknown>>
    } = {}
  ) {
    super(message)
    this.more = details.more
    this.status = status
    this.type = details.type ?? "invalid_request_error"
    this.param = details.param ?? null
    this.code = details.code ?? null
  }
}

/** A body that is known before its head is written. */
export interface WholeAnswer {
  readonly _tag: "Whole"
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** A server-sent event that has a name. */
export interface NamedEvent {
  readonly event: string
  readonly data: string
}

/** A stream of server-sent events, each given as the text of its `data` field, some with a name. */
export interface EventsAnswer {
  readonly _tag: "Events"
  readonly data: (signal: AbortSignal) => AsyncIterable<string | NamedEvent>
}

export type Answer = WholeAnswer | EventsAnswer

export const bytes = (status: number, headers: Readonly<Record<string, string>>, body: Uint8Array): WholeAnswer => ({
  _tag: "Whole",
  status,
  headers,
  body
})

export const json = (status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): WholeAnswer =>
  bytes(status, { "content-type": "application/json", ...headers }, Buffer.from(JSON.stringify(value)))

export const events = (data: EventsAnswer["data"]): EventsAnswer => ({ _tag: "Events", data })

export const error = (cause: ApiError, headers: Readonly<Record<string, string>> = {}): WholeAnswer =>
  json(
    cause.status,
    { error: { message: cause.message, type: cause.type, param: cause.param, code: cause.code } },
    headers
  )
