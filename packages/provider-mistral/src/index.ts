/** Files, chat and batches on Mistral. */
