export * as DiskBlobs from "./DiskBlobs.ts"
