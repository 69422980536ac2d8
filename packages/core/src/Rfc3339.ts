/** Times as texts such as `2026-11-22T10:00:00Z`, in which many providers write them. */

/** In epoch milliseconds; null for whatever is no such time. */
export const millis = (text: unknown): number | null => {
  const time = typeof text === "string" ? Date.parse(text) : Number.NaN
  return Number.isNaN(time) ? null : time
}

/** In epoch seconds, rounded down. */
export const seconds = (text: unknown): number | null => {
  const time = millis(text)
  return time === null ? null : Math.floor(time / 1000)
}
