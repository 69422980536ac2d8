import * as fc from "fast-check"

/** A document with its keys in order, of which several may be equal. */
export type Doc =
  | { readonly kind: "object"; readonly entries: ReadonlyArray<readonly [string, Doc]> }
  | { readonly kind: "array"; readonly elements: ReadonlyArray<Doc> }
  | { readonly kind: "scalar"; readonly value: string | number | boolean | null }

export const fromJson = (value: unknown): Doc => {
  if (Array.isArray(value)) return { kind: "array", elements: value.map(fromJson) }
  if (typeof value !== "object" || value === null) return { kind: "scalar", value: value as string }
  return { kind: "object", entries: Object.entries(value).map(([key, inner]) => [key, fromJson(inner)]) }
}

/** Writes a document with white space and escapes as `choose` has it. */
export const write = (doc: Doc, choose: () => number): string => {
  const space = () => ["", "", "", " ", "\n", "\t\r\n  "][choose() % 6] ?? ""
  const string = (text: string) => `"${Array.from(text, (character) => spell(character, choose())).join("")}"`
  switch (doc.kind) {
    case "object": {
      const entry = ([key, value]: readonly [string, Doc]) =>
        `${space()}${string(key)}${space()}:${space()}${write(value, choose)}${space()}`
      return `{${doc.entries.map(entry).join() || space()}}`
    }
    case "array":
      return `[${doc.elements.map((element) => `${space()}${write(element, choose)}${space()}`).join() || space()}]`
    case "scalar":
      return typeof doc.value === "string" ? string(doc.value) : JSON.stringify(doc.value)
  }
}

const spell = (character: string, choice: number): string => {
  const escapes = Array.from({ length: character.length }, (_, i) => {
    const hex = character.charCodeAt(i).toString(16).padStart(4, "0")
    return `\\u${choice % 2 === 0 ? hex : hex.toUpperCase()}`
  }).join("")
  if (choice % 5 === 0) return escapes
  return character === "/" && choice % 3 === 0 ? "\\/" : JSON.stringify(character).slice(1, -1)
}

export const keys = ["a", "b", "file_id", "é", "", "__proto__", "*", "**"]

export const { doc } = fc.letrec<{ doc: Doc; object: Doc; array: Doc; scalar: Doc }>((tie) => ({
  doc: fc.oneof({ depthSize: "medium", withCrossShrink: true }, tie("scalar"), tie("object"), tie("array")),
  object: fc.record({
    kind: fc.constant("object" as const),
    entries: fc.array(
      fc.tuple(
        fc.oneof(
          { weight: 4, arbitrary: fc.constantFrom(...keys) },
          { weight: 1, arbitrary: fc.string({ unit: "binary" }) }
        ),
        tie("doc")
      ),
      { maxLength: 5 }
    )
  }),
  array: fc.record({ kind: fc.constant("array" as const), elements: fc.array(tie("doc"), { maxLength: 5 }) }),
  scalar: fc.record({
    kind: fc.constant("scalar" as const),
    value: fc.oneof(
      fc.string({ unit: "binary", maxLength: 60 }),
      fc.string({ unit: fc.constantFrom("\\", '"', "x", "#", "]", "\ud800"), maxLength: 60 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer(),
      fc.constantFrom(true, false, null)
    )
  })
}))

/** Endless choices that shrink to none at all. */
export const chooser = fc.array(fc.nat({ max: 29 }), { maxLength: 40 }).map((choices) => () => {
  let i = 0
  return () => choices[i++ % choices.length] ?? 1
})
