/** LiteLLM's model list, and on which of our accounts each of its deployments is. */
import type { Account, Deployment } from "@omnifile/core/Account"
import { isObject } from "@omnifile/core/Json"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { readFile } from "node:fs/promises"
import { parse } from "yaml"
import * as Defaults from "../config/Defaults.ts"
import type { Environment } from "../config/Interpolation.ts"

/** The model list could not be read. The message says nothing of what stands in it. */
export class LitellmModelsError extends Data.TaggedError("LitellmModelsError")<{ readonly message: string }> {}

/** A deployment of LiteLLM. */
export interface LitellmModel {
  readonly name: string
  /** The ID that its owner has given it; LiteLLM derives one for every other. */
  readonly deployment: string | null
  /** The account with the same provider and key, if exactly one has them. */
  readonly account: string | null
}

const textOf = (value: unknown, env: Environment): string | undefined => {
  if (typeof value !== "string") return undefined
  return value.startsWith("os.environ/") ? env[value.slice("os.environ/".length)] : value
}

const withoutSlash = (url: string): string => url.replace(/\/+$/, "")

/** LiteLLM writes the provider before the model; a model without one is OpenAI's or, by its name, Anthropic's. */
const providerOf = (model: string): string => {
  const slash = model.indexOf("/")
  if (slash > 0) return model.slice(0, slash)
  return model.startsWith("claude") ? "anthropic" : "openai"
}

const accountOf = (
  params: Readonly<Record<string, unknown>>,
  accounts: ReadonlyArray<Account>,
  env: Environment
): string | null => {
  const provider = providerOf(textOf(params["model"], env) ?? "")
  const given = textOf(params["api_base"] ?? params["base_url"], env)
  const base = given ?? Defaults.defaultBaseUrls.get(provider)
  if (base === undefined) return null
  const usual = given === undefined ? env[`${provider.toUpperCase()}_API_KEY`] : undefined
  const key = textOf(params["api_key"], env) ?? usual
  const there = accounts.filter(({ baseUrl }) => withoutSlash(baseUrl) === withoutSlash(base))
  const same = key === undefined ? there : there.filter(({ apiKey }) => Redacted.value(apiKey) === key)
  return same.length === 1 ? (same[0]?.id ?? null) : null
}

/** Whether a configuration is LiteLLM's, and not one of ours. */
export const isLitellm = (value: unknown): boolean => isObject(value) && Array.isArray(value["model_list"])

export const readYaml = (file: string): Effect.Effect<unknown, LitellmModelsError> =>
  Effect.tryPromise({
    try: async () => parse(await readFile(file, "utf8")) as unknown,
    catch: (cause) => {
      const code = cause instanceof Error && "code" in cause ? String(cause.code) : "it is no YAML"
      return new LitellmModelsError({ message: `${file} cannot be read: ${code}` })
    }
  })

/** The deployments in a configuration of LiteLLM. */
export const read = (
  value: unknown,
  accounts: ReadonlyArray<Account>,
  env: Environment
): ReadonlyArray<LitellmModel> => {
  const list = isObject(value) ? value["model_list"] : undefined
  return (Array.isArray(list) ? list : []).flatMap((entry: unknown): ReadonlyArray<LitellmModel> => {
    if (!isObject(entry)) return []
    const { litellm_params: params, model_info: info, model_name: name } = entry
    if (typeof name !== "string" || !isObject(params)) return []
    const id = isObject(info) ? info["id"] : undefined
    const deployment = typeof id === "string" ? id : null
    return [{ name, deployment, account: accountOf(params, accounts, env) }]
  })
}

export interface Known {
  readonly map: ReadonlyMap<string, string>
  readonly deployments: ReadonlyArray<Deployment>
  readonly models: ReadonlyArray<LitellmModel>
}

/**
 * The account of a deployment of LiteLLM: as the operator says; that of our deployment with the same ID; that of the
 * model list's deployment with it; or, if all deployments of the models that the file was uploaded for are on one
 * account, that one. Undefined where none of these says it.
 */
export const accountOfDeployment = (
  { deployments, map, models }: Known,
  deployment: string,
  modelNames: ReadonlyArray<string>
): string | undefined => {
  const said = map.get(deployment) ?? deployments.find(({ id }) => id === deployment)?.account
  if (said !== undefined) return said
  const listed = models.find((model) => model.deployment === deployment)
  if (listed !== undefined) return listed.account ?? undefined
  const served = models.filter(({ name }) => modelNames.includes(name))
  const [first, ...others] = new Set(served.map(({ account }) => account))
  return first === undefined || first === null || others.length > 0 ? undefined : first
}
