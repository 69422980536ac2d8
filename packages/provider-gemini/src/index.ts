/** Files, chat and batches on the Gemini API. */
