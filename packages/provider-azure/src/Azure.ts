/**
 * Azure OpenAI: OpenAI's wire at a resource of one's own. https://learn.microsoft.com/azure/ai-foundry/openai/latest
 *
 * Models are named by deployments of the resource, and files belong to the resource. Without an `api_version` the account
 * speaks the v1 API (`https://R.openai.azure.com/openai/v1`), with a date as its version the older one
 * (`https://R.openai.azure.com/openai`), whose paths name the deployment.
 */
import type { Account } from "@omnifile/core/Account"
import type { Purpose } from "@omnifile/core/ManagedFile"
import type { CallAt, Provider, ProviderCall } from "@omnifile/core/Provider"
import { withJson } from "@omnifile/core/ProviderCalls"
import * as OpenAI from "@omnifile/provider-openai/OpenAI"
import * as OpenAIFiles from "@omnifile/provider-openai/OpenAIFiles"
import * as Redacted from "effect/Redacted"

export interface Options {
  /** What the configuration calls the provider. */
  readonly id: string
}

const isDated = ({ apiVersion }: Account): boolean => apiVersion !== null && /^\d{4}-\d{2}-\d{2}/.test(apiVersion)

const withVersion = (call: ProviderCall, { apiVersion }: Account): ProviderCall => {
  if (apiVersion === null || call.url !== undefined) return call
  const mark = call.path.includes("?") ? "&" : "?"
  return { ...call, path: `${call.path}${mark}api-version=${encodeURIComponent(apiVersion)}` }
}

/** What a user gives to a model is a file of assistants: the API does not take OpenAI's `user_data` and `vision`. */
const purposeOf = (purpose: Purpose): string => {
  const known = OpenAIFiles.inputPurpose(purpose)
  return known === "user_data" || known === "vision" ? "assistants" : known
}

const chatCompletion = (body: NonNullable<ProviderCall["body"]>, { account, model }: CallAt): ProviderCall => {
  const path = isDated(account) ? `/deployments/${encodeURIComponent(model)}/chat/completions` : "/chat/completions"
  return withJson("chat.completions", path, body)
}

/** A provider that speaks Azure's dialect of OpenAI's wire. */
export const make = ({ id }: Options): Provider =>
  OpenAI.make({
    id,
    authorize: ({ auth }, secret) =>
      auth === "entra" ? { authorization: `Bearer ${Redacted.value(secret)}` } : { "api-key": Redacted.value(secret) },
    address: withVersion,
    // Between fourteen days and thirty.
    files: { expiry: { form: "anchored", shortest: 1_209_600, longest: 2_592_000 }, purposeOf },
    chatCompletion
  })

/** Azure OpenAI. */
export const azure: Provider = make({ id: "azure" })
