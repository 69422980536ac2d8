/** omnifile's files in programs on the AI SDK. */
