/** The few elements of S3's answers that say something of objects: https://docs.aws.amazon.com/AmazonS3/latest/API. */
const entities: Readonly<Record<string, string>> = { amp: "&", apos: "'", gt: ">", lt: "<", quot: '"' }

const unescaped = (text: string): string =>
  text.replaceAll(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16))
    return decimal === undefined ? (entities[name] ?? whole) : String.fromCodePoint(Number(decimal))
  })

/** The text of the first element of a name, which has no elements within. */
export const textOf = (xml: string, element: string): string | undefined => {
  const match = new RegExp(`<${element}(?:\\s[^>]*)?>([^<]*)</${element}>`).exec(xml)
  return match?.[1] === undefined ? undefined : unescaped(match[1])
}

export interface ObjectEntry {
  readonly key: string
  readonly bytes: number
  /** Milliseconds since 1970. */
  readonly modifiedAt: number
}

export interface ObjectPage {
  readonly objects: ReadonlyArray<ObjectEntry>
  readonly next: string | null
}

const keyOf = (xml: string, isEncoded: boolean): string => {
  const key = textOf(xml, "Key") ?? ""
  return isEncoded ? decodeURIComponent(key.replaceAll("+", " ")) : key
}

/** A page of a list; undefined if the text is none. */
export const page = (xml: string): ObjectPage | undefined => {
  if (!/<ListBucketResult[\s>]/.test(xml)) return undefined
  const isEncoded = textOf(xml, "EncodingType") === "url"
  const objects = [...xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, entry = ""]) => ({
    key: keyOf(entry, isEncoded),
    bytes: Number(textOf(entry, "Size")),
    modifiedAt: Date.parse(textOf(entry, "LastModified") ?? "")
  }))
  return { objects, next: textOf(xml, "NextContinuationToken") ?? null }
}
