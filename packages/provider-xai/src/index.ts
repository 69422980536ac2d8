/** Files, responses and batches on xAI. */
