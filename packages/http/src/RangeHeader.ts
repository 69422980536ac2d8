/** The `Range` header (RFC 9110, section 14), as far as one range of bytes goes. */
import type { RangeRequest } from "@omnifile/core/Bytes"

const single = /^bytes=(\d{0,15})-(\d{0,15})$/

/** The one range that is asked for. Anything else, several ranges too, may be ignored: null. */
export const parse = (header: string | undefined): RangeRequest | null => {
  if (header === undefined) return null
  const match = single.exec(header.replaceAll(" ", ""))
  if (match === null) return null
  const [, first = "", last = ""] = match
  if (first === "") return last === "" ? null : { _tag: "Last", count: Number(last) }
  if (last !== "" && Number(last) < Number(first)) return null
  return { _tag: "Between", first: Number(first), last: last === "" ? null : Number(last) }
}
