/** The calls that most protocols of providers are made of. */
import type { ProviderCall } from "./Provider.ts"

/** A call without a body, which can be repeated: it asks for something, or for what is no different the second time. */
export const bodiless = (
  name: string,
  method: "GET" | "POST" | "DELETE",
  path: string,
  headers: ProviderCall["headers"] = {}
): ProviderCall => ({ name, method, path, headers, body: null, idempotent: true })

/** A call with a JSON body, which must not be repeated by chance. */
export const withJson = (
  name: string,
  path: string,
  body: ProviderCall["body"],
  headers: ProviderCall["headers"] = {}
): ProviderCall => ({
  name,
  method: "POST",
  path,
  headers: { ...headers, "content-type": "application/json" },
  body,
  idempotent: false
})
