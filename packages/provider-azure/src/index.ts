/** Files, chat and batches on Azure OpenAI. */
