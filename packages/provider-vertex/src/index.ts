/** Chat on Vertex AI. */
export * as Vertex from "./Vertex.ts"
