/**
 * Google's own library for credentials: keys of service accounts, federated identities, and what the machine is. It is
 * large, and loaded when a token is first needed.
 */
import type { AuthClient, GoogleAuthOptions } from "google-auth-library"
import { readFile } from "node:fs/promises"
import { parseObject } from "@omnifile/core/Json"
import type { GoogleIdentity } from "./config/GoogleSection.ts"
import type { AccessToken } from "./GoogleCredentials.ts"

const scopes = ["https://www.googleapis.com/auth/cloud-platform"]

/** For the library's clients, such as what sends their requests. */
type ClientOptions = NonNullable<GoogleAuthOptions["clientOptions"]>

/** Undefined if the file is no key of a service account. */
const ofKeyFile = async (file: string, options: ClientOptions): Promise<AuthClient | undefined> => {
  const { client_email: email, private_key: key } = parseObject(await readFile(file, "utf8")) ?? {}
  if (typeof email !== "string" || typeof key !== "string") return undefined
  const { JWT } = await import("google-auth-library")
  return new JWT({ ...options, email, key, scopes })
}

const ofMachine = async (options: ClientOptions): Promise<AuthClient> => {
  const { GoogleAuth } = await import("google-auth-library")
  // Without a project the library asks programs on the machine for one, which no token depends on.
  return new GoogleAuth({ scopes, projectId: "none", clientOptions: options }).getClient()
}

export const open = async ({ keyFile }: GoogleIdentity, options: ClientOptions = {}) => {
  const client = await (keyFile === undefined ? ofMachine(options) : ofKeyFile(keyFile, options))
  return async (): Promise<AccessToken | null> => {
    const { token } = (await client?.getAccessToken()) ?? {}
    const expiresAt = client?.credentials.expiry_date
    return typeof token === "string" && typeof expiresAt === "number" ? { token, expiresAt } : null
  }
}
