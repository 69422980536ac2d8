/** A provider's answer with its IDs replaced: whole bodies and streams of events, everything else byte for byte. */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import * as AnswerIds from "./AnswerIds.ts"
import * as Bytes from "./Bytes.ts"
import { header, type TransportResponse } from "./HttpTransport.ts"
import { type Edit, splice } from "./JsonEdit.ts"
import * as SseEvents from "./SseEvents.ts"

/**
 * What is to stand in the place of the IDs that were found in one document, by what stands there now. It is asked for
 * one document after another, and whatever it has to do for an ID is done before the document goes on.
 */
export type Translate<E> = (found: ReadonlyArray<AnswerIds.FoundId>) => Effect.Effect<ReadonlyMap<string, string>, E>

/** The answer's body could not be read: it is compressed though nobody asked for that, or its end never came. */
export type Unreadable<E> = (cause: unknown) => E

const isEncoded = (response: TransportResponse): boolean =>
  (header(response, "content-encoding") ?? "identity") !== "identity"

const isEvents = (response: TransportResponse): boolean =>
  /^text\/event-stream\b/i.test(header(response, "content-type") ?? "")

const editsFor = (
  found: ReadonlyArray<AnswerIds.FoundId>,
  translated: ReadonlyMap<string, string>
): ReadonlyArray<Edit> =>
  found.flatMap(({ end, kind, start, value }) => {
    const replacement = kind === "filename" || kind === "type" ? undefined : translated.get(value)
    return replacement === undefined || replacement === value ? [] : [{ start, end, value: replacement }]
  })

/** The headers of an answer whose body is another one. */
const headersFor = ({ headers }: TransportResponse, length: number | undefined): TransportResponse["headers"] => {
  const kept = Object.entries(headers).filter(([name]) => name !== "content-length")
  return Object.fromEntries(length === undefined ? kept : [...kept, ["content-length", String(length)]])
}

const rewriteWhole = Effect.fnUntraced(function* <E>(
  response: TransportResponse,
  paths: AnswerIds.AnswerPaths,
  translate: Translate<E>,
  unreadable: Unreadable<E>
) {
  const body =
    response.complete ?? (yield* Effect.tryPromise({ try: () => Bytes.collect(response.body), catch: unreadable }))
  const found = AnswerIds.find(body, paths)
  const edits = found.length === 0 ? [] : editsFor(found, yield* translate(found))
  const complete = Bytes.concat(splice([body], edits))
  return {
    ...response,
    headers: headersFor(response, complete.byteLength),
    complete,
    body: Bytes.fromArray(complete)
  }
})

const rewriteEvents = Effect.fnUntraced(function* <E>(
  response: TransportResponse,
  paths: AnswerIds.AnswerPaths,
  translate: Translate<E>
) {
  // What is still looked up when the client has gone ends with the call.
  const run = yield* FiberSet.makeRuntimePromise<never, ReadonlyArray<Edit>, E>()
  const body = SseEvents.rewrite(response.body, (data) => {
    const found = AnswerIds.find(data, paths)
    if (found.length === 0) return []
    return run(Effect.map(translate(found), (translated) => editsFor(found, translated)))
  })
  return { ...response, headers: headersFor(response, undefined), complete: null, body }
})

/**
 * The answer with its IDs translated. A whole body is read to its end first; a stream goes on as it comes, for as long
 * as the scope is open, and breaks off where `translate` fails.
 */
export const rewrite = <E>(
  response: TransportResponse,
  paths: AnswerIds.AnswerPaths,
  translate: Translate<E>,
  unreadable: Unreadable<E>
): Effect.Effect<TransportResponse, E, Scope.Scope> => {
  if (isEncoded(response)) return Effect.fail(unreadable(new Error("The answer is compressed.")))
  return isEvents(response)
    ? rewriteEvents(response, paths, translate)
    : rewriteWhole(response, paths, translate, unreadable)
}
