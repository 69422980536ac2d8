/** Files, chat and batches on Together. */
