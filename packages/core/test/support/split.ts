/** Batches over several deployments, and what becomes of their lines at the fake providers. */
import * as Effect from "effect/Effect"
import { parseObject } from "../../src/Json.ts"
import { decode, type FakeAccount } from "./FakeProvider.ts"
import { idOf } from "./lookups.ts"
import { alice } from "./principals.ts"
import type * as World from "./World.ts"

/** An input with a line of each name, for the model `both`. */
const inputOf = (names: ReadonlyArray<string>): string =>
  names
    .map((name) =>
      JSON.stringify({
        custom_id: name,
        method: "POST",
        url: "/v1/chat/completions",
        body: { model: "both", messages: [{ role: "user", content: "hi" }] }
      })
    )
    .join("\n\n")

export const upload = (instance: World.Instance, names: ReadonlyArray<string>) =>
  Effect.map(instance.upload({ content: inputOf(names), purpose: "batch", filename: "in.jsonl", models: [] }), (file) =>
    idOf(file)
  )

export const create = (instance: World.Instance, file: string) =>
  Effect.scoped(
    instance.run(
      {
        _tag: "CreateBatch",
        body: { input_file_id: file, endpoint: "/v1/chat/completions", completion_window: "24h" },
        inputFile: { id: file, param: "input_file_id" },
        model: null,
        split: true,
        idempotencyKey: null
      },
      alice
    )
  ).pipe(Effect.map(({ object }) => object))

export const retrieve = (instance: World.Instance, id: unknown) =>
  Effect.map(Effect.scoped(instance.run({ _tag: "RetrieveBatch", id: String(id) }, alice)), ({ object }) => object)

export const cancel = (instance: World.Instance, id: unknown) =>
  Effect.map(Effect.scoped(instance.run({ _tag: "CancelBatch", id: String(id) }, alice)), ({ object }) => object)

export const list = (instance: World.Instance) =>
  Effect.map(
    Effect.scoped(instance.run({ _tag: "ListBatches", limit: 100, after: null }, alice)),
    ({ objects }) => objects
  )

/** A batch at one of the providers. */
export interface Remote {
  readonly account: FakeAccount
  readonly id: string
  readonly status: string
  /** The `custom_id` of each of its lines. */
  readonly names: ReadonlyArray<string>
}

/** The `custom_id` of each line of some content. */
export const namesIn = (content: string): ReadonlyArray<string> =>
  content.split("\n").flatMap((line) => {
    const name = parseObject(line)?.["custom_id"]
    return typeof name === "string" ? [name] : []
  })

/** The batches of all accounts. */
export const remotes = (world: World.World, accounts: ReadonlyArray<string> = ["east", "west"]) =>
  accounts.flatMap((name): ReadonlyArray<Remote> => {
    const account = world.account(name)
    return [...account.batches.values()].map(({ id, inputFileId, status }) => {
      const content = account.files.get(inputFileId)?.content ?? new Uint8Array()
      return { account, id, status, names: namesIn(decode(content)) }
    })
  })

/** Lines as a provider writes them into the files of a batch. */
export const results = (names: ReadonlyArray<string>, code: string | null = null): string =>
  names
    .map((custom_id) => {
      const response = code === null ? { status_code: 200, request_id: "r", body: { choices: [] } } : null
      return JSON.stringify({ id: "x", custom_id, response, error: code === null ? null : { code, message: code } })
    })
    .join("\n")

/** Every line of a batch has its answer. */
export const complete = ({ account, id, names }: Remote): void => account.complete(id, results(names))

/** The codes of the lines of an error file, by their `custom_id`. */
export const codesIn = (content: string): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    content.split("\n").flatMap((line) => {
      const { custom_id, error } = parseObject(line) ?? {}
      const { code } =
        typeof error === "object" && error !== null && !Array.isArray(error)
          ? (error as { readonly code?: unknown })
          : {}
      return typeof custom_id === "string" ? [[custom_id, code]] : []
    })
  )

/** The content of a file that a batch names; empty if it names none. */
export const contentOf = (instance: World.Instance, id: unknown) =>
  typeof id === "string" ? instance.content(id) : Effect.succeed("")
