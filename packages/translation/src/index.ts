/** OpenAI's chat completions and responses on providers that speak otherwise. */
