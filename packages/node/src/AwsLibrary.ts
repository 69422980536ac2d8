/**
 * AWS's own way to find credentials: the environment, profiles, web identity, and what containers and machines are given.
 * It is large, and loaded when an access key is first needed.
 */
import type { OpenAccessKeys } from "./AwsCredentials.ts"

/** What the library says beside its errors could name what it has found. */
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

export const open: OpenAccessKeys = async ({ profile }) => {
  const { defaultProvider } = await import("@aws-sdk/credential-provider-node")
  return defaultProvider({ logger: silent, ...(profile === undefined ? {} : { profile }) })
}
