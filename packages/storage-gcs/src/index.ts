export * as GcsBlobs from "./GcsBlobs.ts"
