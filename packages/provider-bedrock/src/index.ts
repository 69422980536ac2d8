/** Chat on Amazon Bedrock. */
export * as Bedrock from "./Bedrock.ts"
