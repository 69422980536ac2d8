/** Files and messages on Anthropic's wire: https://docs.anthropic.com/en/api */

/** What the configuration calls the provider. */
export const id = "anthropic"
