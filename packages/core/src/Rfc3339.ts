/** Times as providers write them: mostly texts such as `2026-11-22T10:00:00Z`; a number is one of epoch seconds. */

/** In epoch milliseconds; null for whatever is no such time. */
export const millis = (said: unknown): number | null => {
  const time = typeof said === "string" ? Date.parse(said) : typeof said === "number" ? said * 1000 : Number.NaN
  return Number.isFinite(time) ? time : null
}

/** In epoch seconds, rounded down. */
export const seconds = (said: unknown): number | null => {
  const time = millis(said)
  return time === null ? null : Math.floor(time / 1000)
}
