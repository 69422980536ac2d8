/**
 * Calls that a gateway passes on as they are: embeddings, moderations, speech and the like. Each answer tells which
 * account answered, for which model.
 */
import * as Answer from "./Answer.ts"
import { ApiError } from "./Answer.ts"
import { isRecord, missing, wrongType } from "./Chat.ts"
import type { Exchange } from "./Http.ts"
import { readBody } from "./Http.ts"
import { requireModel } from "./Models.ts"
import * as Multipart from "./Multipart.ts"
import { withJson } from "./Receiving.ts"
import type { Operation, Route } from "./Route.ts"

type Answered = ReturnType<Operation>

const modelOf = ({ account }: Exchange, model: unknown, standard?: string): string => {
  const named = model ?? standard
  if (named === undefined) throw missing("model")
  if (typeof named !== "string") throw wrongType("model", "a string")
  requireModel(account, named)
  return named
}

const json = (
  path: string,
  answer: (exchange: Exchange, body: Readonly<Record<string, unknown>>) => Answered
): Route => ({
  name: "forwarded",
  method: "POST",
  path: `/v1${path}`,
  receive: withJson((exchange, parse) => {
    const body = parse()
    if (!isRecord(body)) throw new ApiError(400, "The request body must be a JSON object.")
    return answer(exchange, body)
  })
})

const usage = { prompt_tokens: 3, total_tokens: 3 }

/** The official client asks for bytes, unless its caller asks for something. */
const vector = (values: ReadonlyArray<number>, format: unknown): string | ReadonlyArray<number> =>
  format === "base64" ? Buffer.from(Float32Array.from(values).buffer).toString("base64") : values

const embeddings = json("/embeddings", (exchange, body) => {
  const model = modelOf(exchange, body["model"])
  const inputs = Array.isArray(body["input"]) ? body["input"] : [body["input"]]
  const format = body["encoding_format"]
  const data = inputs.map((_, index) => ({
    object: "embedding",
    index,
    embedding: vector([0.25, -0.5, index], format)
  }))
  return Answer.json(200, { object: "list", data, model: `${exchange.account.name}/${model}`, usage })
})

const moderations = json("/moderations", (exchange, body) => {
  const model = modelOf(exchange, body["model"], "omni-moderation-latest")
  const results = [{ flagged: false, categories: {}, category_scores: {} }]
  return Answer.json(200, { id: "modr-1", model: `${exchange.account.name}/${model}`, results })
})

const speech = json("/audio/speech", (exchange, body) => {
  const model = modelOf(exchange, body["model"])
  const bytes = Buffer.from([0x49, 0x44, 0x33, 0xff, 0x00, ...Buffer.from(`${exchange.account.name}/${model}`)])
  return Answer.bytes(200, { "content-type": "audio/mpeg" }, bytes)
})

/** A path that no gateway knows by itself: its answer tells which files it was given. */
const videos = json("/videos", (exchange, body) => {
  const model = modelOf(exchange, body["model"])
  return Answer.json(200, { id: "video_1", object: "video", model: `${exchange.account.name}/${model}`, given: body })
})

const transcriptions: Route = {
  name: "forwarded",
  method: "POST",
  path: "/v1/audio/transcriptions",
  receive: async (exchange) => {
    const form = await Multipart.readForm(readBody(exchange), {
      headers: exchange.request.headers,
      keepBytes: exchange.keepBytes
    })
    return () => {
      if (form.malformed !== undefined) throw new ApiError(400, form.malformed)
      const file = form.files.find(({ name }) => name === "file")
      if (file === undefined) throw missing("file")
      const model = modelOf(exchange, form.fields.find(({ name }) => name === "model")?.value)
      return Answer.json(200, {
        text: `${exchange.account.name}/${model}: ${file.filename}, ${file.bytes} bytes, ${file.sha256.slice(0, 16)}`
      })
    }
  }
}

export const routes: ReadonlyArray<Route> = [embeddings, moderations, speech, transcriptions, videos]
