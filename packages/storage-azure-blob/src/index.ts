export * as AzureBlobs from "./AzureBlobs.ts"
