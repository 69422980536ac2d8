/** Microsoft's own library for Entra, which is large: it is loaded when a token is first needed. */
import type { ClientSecretCredentialOptions, TokenCredential } from "@azure/identity"
import * as Redacted from "effect/Redacted"
import type { EntraIdentity } from "./config/EntraSection.ts"

/** `options` are for applications; what is not said is what the library finds in its surroundings. */
export const open = async (
  identity: EntraIdentity,
  options?: ClientSecretCredentialOptions
): Promise<TokenCredential> => {
  const { ClientSecretCredential, DefaultAzureCredential } = await import("@azure/identity")
  if (identity._tag === "Application") {
    const { clientId, clientSecret, tenantId } = identity
    return new ClientSecretCredential(tenantId, clientId, Redacted.value(clientSecret), options)
  }
  const { clientId } = identity
  return clientId === undefined
    ? new DefaultAzureCredential()
    : new DefaultAzureCredential({ managedIdentityClientId: clientId, workloadIdentityClientId: clientId })
}
