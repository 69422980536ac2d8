/** Calls in OpenAI's wire on models that speak another one: the two ends of a call around an AI SDK language model. */
import type {
  LanguageModelV4,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
  SharedV4ProviderOptions
} from "@ai-sdk/provider"
import type { ChatTranslator, TranslatedRequest } from "@omnifile/core/ChatTranslator"
import type { TransportResponse } from "@omnifile/core/HttpTransport"
import { isObject, parseObject } from "@omnifile/core/Json"
import * as Usage from "@omnifile/core/Usage"
import type { ModelRequest } from "./CallSettings.ts"
import * as ChatAnswer from "./ChatAnswer.ts"
import * as ChatPrompt from "./ChatPrompt.ts"
import { unsupported } from "./Fields.ts"
import * as FileParts from "./FileParts.ts"
import * as JsonInstruction from "./JsonInstruction.ts"
import * as ProviderFetch from "./ProviderFetch.ts"
import * as ResponseAnswer from "./ResponseAnswer.ts"
import * as ResponsePrompt from "./ResponsePrompt.ts"

/** A model of a provider whose requests go through `fetch`. `origin` and `key` are to be given to it. */
export type Model = (
  name: string,
  settings: { readonly origin: string; readonly key: string; readonly fetch: typeof fetch }
) => LanguageModelV4

export interface Options {
  /** The provider's models. They are loaded with the first call, since they are large. */
  readonly load: () => Promise<Model>
  /** The name by which the models look for what is theirs in a reference to a file. Null: it is an address. */
  readonly reference: string | null
  /** Whether the provider fetches images and documents from addresses in a request. */
  readonly fetches: boolean
  /** What tells the models to call only one tool at a time. */
  readonly serial?: SharedV4ProviderOptions | undefined
  /**
   * Whether a model has no mode for JSON without a schema, which its code leaves out then: the prompt asks for it.
   * Default: every model has one.
   */
  readonly promptsForJson?: ((model: string) => boolean) | undefined
  /** Whether an event of a stream is of a kind that was not there when the models' code was written: it is passed over. */
  readonly unknown?: ((event: unknown) => boolean) | undefined
}

const wires = {
  chat: { parse: ChatPrompt.parse, ignored: ChatPrompt.ignored, whole: ChatAnswer.whole, Events: ChatAnswer.Chunks },
  responses: {
    parse: ResponsePrompt.parse,
    ignored: ResponsePrompt.ignored,
    whole: ResponseAnswer.whole,
    Events: ResponseAnswer.ResponseEvents
  }
} as const

const encoder = new TextEncoder()

interface EventWriter {
  readonly write: (part: LanguageModelV4StreamPart) => string
}

interface Decoder {
  readonly source: ProviderFetch.Answering
  readonly model: LanguageModelV4
}

const nameOf = (cause: unknown): unknown => (cause instanceof Error ? cause.name : undefined)

/** What a model's code throws, in the client's terms where it is about the request. */
const inClientTerms = (cause: unknown): unknown => {
  if (!(cause instanceof Error)) return cause
  switch (cause.name) {
    case "AI_UnsupportedFunctionalityError":
    case "AI_InvalidPromptError":
    case "AI_InvalidArgumentError":
      return unsupported(`This model cannot do what is asked for: ${cause.message}`, "messages")
    default:
      return cause
  }
}

const numberAt = (value: object, name: string): number | undefined => {
  const found: unknown = Reflect.get(value, name)
  return typeof found === "number" ? found : undefined
}

/** What a provider says went wrong, in an answer whose status is that of a success. */
const errorWithin = (answer: unknown): Error | undefined => {
  const body = typeof answer === "string" ? parseObject(answer) : answer
  const error = isObject(body) ? body["error"] : undefined
  if (!isObject(error)) return undefined
  const { code: statusCode, message } = error
  const words = typeof message === "string" ? message : "The answer is an error."
  return Object.assign(new Error(words), typeof statusCode === "number" ? { statusCode } : {})
}

const answered = (cause: unknown): boolean =>
  nameOf(cause) === "AI_APICallError" && numberAt(cause as Error, "statusCode") === 200

/** Why a whole answer is none. */
const nothingIn = ({ content, finishReason, response }: LanguageModelV4GenerateResult): Error | undefined => {
  const { raw, unified } = finishReason
  return (
    errorWithin(response?.body) ??
    (unified === "error" || (raw === undefined && content.length === 0)
      ? new Error("The answer broke off.")
      : undefined)
  )
}

/** A failure inside of a successful answer as the answer that it would have been, had it come at once. */
const failure = (cause: unknown): TransportResponse => {
  const status = typeof cause === "object" && cause !== null ? numberAt(cause, "statusCode") : undefined
  const said = typeof cause === "object" && cause !== null ? Reflect.get(cause, "message") : undefined
  const message = typeof said === "string" && said !== "" ? said : "The answer ended with an error."
  // An error that names no status of its own is the provider's.
  return ProviderFetch.jsonResponse(status !== undefined && status >= 400 ? status : 502, {
    type: "error",
    error: { type: "api_error", code: status ?? 502, status: "UNKNOWN", message }
  })
}

/** Whether the part says something that a client would see. */
const isContent = ({ type }: LanguageModelV4StreamPart): boolean =>
  type !== "stream-start" && type !== "response-metadata" && type !== "raw" && type !== "ping"

/** The part that ended a stream before its end. */
const brokenOff = (part: LanguageModelV4StreamPart): Error | undefined => {
  if (part.type === "error") return new Error("The answer ended with an error.", { cause: part.error })
  return part.type === "finish" &&
    (part.finishReason.unified === "interrupted" || part.finishReason.unified === "error")
    ? new Error("The answer broke off.")
    : undefined
}

async function* eventsOf(
  first: LanguageModelV4StreamPart,
  reader: ReadableStreamDefaultReader<LanguageModelV4StreamPart>,
  writer: EventWriter,
  isPassedOver: (part: LanguageModelV4StreamPart) => boolean,
  finished: (usage: LanguageModelV4Usage) => void
): AsyncGenerator<Uint8Array, void, void> {
  try {
    let part = first
    for (;;) {
      const broken = isPassedOver(part) ? undefined : brokenOff(part)
      if (broken !== undefined) throw broken
      if (part.type === "finish") finished(part.usage)
      const text = writer.write(part)
      if (text !== "") yield encoder.encode(text)
      const next = await reader.read()
      if (next.done) return
      part = next.value
    }
  } finally {
    // What is left, if somebody stopped early.
    void reader.cancel().catch(() => {})
  }
}

/** A translator to the provider's models. */
export const make = (options: Options): ChatTranslator => {
  let loading: Promise<Model> | undefined
  const load = (): Promise<Model> => {
    loading ??= options.load().catch((cause: unknown) => {
      loading = undefined
      throw cause
    })
    return loading
  }

  const modelOf = async (name: string, fetch: typeof globalThis.fetch) =>
    (await load())(name, { origin: ProviderFetch.origin, key: ProviderFetch.key, fetch })

  // To make a model for each line of a batch would cost about as much as to use it.
  const encoders = new Map<string, Promise<LanguageModelV4>>()
  const encoderOf = (name: string): Promise<LanguageModelV4> => {
    const known = encoders.get(name)
    if (known !== undefined) return known
    const model = modelOf(name, ProviderFetch.capturing)
    encoders.set(name, model)
    model.catch(() => encoders.delete(name))
    return model
  }

  /** Models that are not at work now, each with what it will be answered. */
  const decoders = new Map<string, Array<Decoder>>()
  const decoderOf = async (name: string): Promise<Decoder> => {
    const idle = decoders.get(name)?.pop()
    if (idle !== undefined) return idle
    const source = new ProviderFetch.Answering()
    return { source, model: await modelOf(name, source.fetch) }
  }
  const putBack = (name: string, decoder: Decoder): void => {
    decoder.source.answer = ""
    const idle = decoders.get(name)
    if (idle === undefined) decoders.set(name, [decoder])
    else idle.push(decoder)
  }

  const parse = ({ body, files, model, wire }: TranslatedRequest): ModelRequest["options"] => {
    const request = wires[wire].parse(body, {
      file: (id, param) => FileParts.ofFile(files, options.reference, id, param),
      fetches: options.fetches
    })
    const call = options.promptsForJson?.(model) === true ? JsonInstruction.inPrompt(request.options) : request.options
    return request.serial && options.serial !== undefined ? { ...call, providerOptions: options.serial } : call
  }

  /** An event that does not have a form that is known comes as an error, with the event in it. */
  const isPassedOver = (part: LanguageModelV4StreamPart): boolean =>
    part.type === "error" &&
    part.error instanceof Error &&
    part.error.name === "AI_TypeValidationError" &&
    options.unknown?.(Reflect.get(part.error, "value")) === true

  const stream = async (request: TranslatedRequest, model: LanguageModelV4, cancel: () => void) => {
    const reader = (await model.doStream(parse(request))).stream.getReader()
    const giveUp = (): void => {
      cancel()
      void reader.cancel().catch(() => {})
    }
    try {
      // Until something is there to show, another deployment can still answer.
      for (;;) {
        const { done, value: part } = await reader.read()
        if (done) throw new Error("The answer broke off before it began.")
        if (isPassedOver(part)) continue
        if (part.type === "error") {
          giveUp()
          return failure(part.error)
        }
        if (isContent(part)) {
          const broken = brokenOff(part)
          if (broken !== undefined) throw broken
          // Clients of a chat are not told unless they ask for it.
          let used: Usage.Tokens | null = null
          const body = eventsOf(part, reader, new wires[request.wire].Events(request), isPassedOver, (usage) => {
            used = Usage.read(ChatAnswer.usageOf(usage))
          })
          const headers = { "content-type": "text/event-stream; charset=utf-8" }
          return { status: 200, headers, complete: null, body, cancel: giveUp, used: () => used }
        }
      }
    } catch (cause) {
      giveUp()
      throw cause
    }
  }

  return {
    ignored: ({ body, wire }) => wires[wire].ignored(body),
    run: async (request, send) => {
      let cancel = (): void => {}
      const fetch = ProviderFetch.sending(request.wire, async (call) => {
        const response = await send(call)
        cancel = response.cancel
        return response
      })
      try {
        const model = await modelOf(request.model, fetch)
        if (request.body["stream"] === true) return await stream(request, model, () => cancel())
        const result = await model.doGenerate(parse(request))
        const nothing = nothingIn(result)
        if (nothing !== undefined) return failure(nothing)
        return ProviderFetch.jsonResponse(200, wires[request.wire].whole(request, result))
      } catch (cause) {
        if (nameOf(cause) !== "AI_APICallError") throw inClientTerms(cause)
        if (!answered(cause)) return failure(cause)
        const error = errorWithin(Reflect.get(cause as Error, "responseBody"))
        if (error !== undefined) return failure(error)
        throw cause
      }
    },
    encode: async (request) => {
      const model = await encoderOf(request.model)
      try {
        await model.doGenerate(parse(request))
      } catch (cause) {
        if (!(cause instanceof ProviderFetch.Captured)) throw inClientTerms(cause)
        return cause.asked
      }
      throw new TypeError("The model answered without a request.")
    },
    decode: async (request, answer) => {
      const decoder = await decoderOf(request.model)
      decoder.source.answer = JSON.stringify(answer)
      try {
        return wires[request.wire].whole(request, await decoder.model.doGenerate(parse(request)))
      } finally {
        putBack(request.model, decoder)
      }
    }
  }
}
