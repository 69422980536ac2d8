/** When a webhook that was not accepted is tried again, and when it is given up. Times in milliseconds. */

const second = 1000
const minute = 60 * second
const hour = 60 * minute

/** After the first try, the second, and so on; the last pause is repeated. */
const pauses = [5 * second, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour] as const

/** An event that could not be delivered for so long is dropped. */
export const patience = 72 * hour

/** A receiver may ask for a longer pause, up to this. */
const longestAsked = 24 * hour

export interface Try {
  /** When the event happened. */
  readonly createdAt: number
  /** How often delivery has been tried, this time included. */
  readonly attempts: number
  /** The pause that the receiver asks for, or null. */
  readonly retryAfter: number | null
  /** Between 0 and 1: receivers that come back are not called by all events at once. */
  readonly jitter: number
}

/** When to try again, or null if the event is given up. */
export const next = ({ attempts, createdAt, jitter, retryAfter }: Try, now: number): number | null => {
  const pause = pauses[Math.min(attempts, pauses.length) - 1] ?? pauses[0]
  const asked = Math.min(retryAfter ?? 0, longestAsked)
  const at = Math.ceil(now + Math.max(asked, pause * (1 + jitter / 10)))
  return at > createdAt + patience ? null : at
}
