/** Patterns for places of a JSON document, compiled to the automaton that `JsonScan` follows through the bytes. */

/** Compiled patterns. `Name` are the names that they were given. */
export interface Paths<out Name extends string> {
  readonly root: State<Name> | undefined
}

/** What the patterns say about one place. A place that no pattern reaches or passes through has no state. */
export interface State<out Name extends string> {
  /** The patterns that describe this very place. */
  readonly names: ReadonlyArray<Name>
  readonly keys: ReadonlyArray<Edge<Name>>
  /** Where a key leads that is not among `keys`. */
  readonly otherKey: State<Name> | undefined
  readonly element: State<Name> | undefined
}

export interface Edge<out Name extends string> {
  readonly key: string
  /** The key as JSON.stringify writes it, without the quotes: these bytes can mean no other key. */
  readonly spelling: Uint8Array
  readonly state: State<Name>
}

/** A pattern whose first `done` segments have been matched. */
interface Progress<out Name extends string> {
  readonly name: Name
  readonly segments: ReadonlyArray<string>
  readonly done: number
}

const encoder = new TextEncoder()

/**
 * Compiles patterns. A pattern is segments with dots between them: `*` is any element of an array, `**` any number of
 * keys and elements (also none), everything else a key of an object, compared exactly. `messages.*.content` is the
 * content of each message, `input.**.file_id` every `file_id` in `input`, however deep. Patterns may describe the same
 * place: each then has its own match there.
 *
 * To be called once, when a module loads.
 */
export const compile = <Name extends string>(patterns: Readonly<Record<Name, string>>): Paths<Name> => {
  const states = new Map<string, State<Name>>()

  /** The state in which exactly these patterns are so far: the patterns are followed side by side. */
  const stateOf = (reached: ReadonlyArray<Progress<Name>>): State<Name> | undefined => {
    const open = withoutAnyDepth(reached)
    if (open.length === 0) return undefined
    const id = JSON.stringify(open.map(({ name, done }) => [name, done]).sort())
    const known = states.get(id)
    if (known !== undefined) return known

    const anyDepth = open.filter(({ segments, done }) => segments[done] === "**")
    const after = (segment: string): State<Name> | undefined =>
      stateOf([
        ...anyDepth,
        ...open
          .filter(({ segments, done }) => segments[done] === segment)
          .map((progress) => ({ ...progress, done: progress.done + 1 }))
      ])
    const keys: Array<Edge<Name>> = []
    const state: { -readonly [K in keyof State<Name>]: State<Name>[K] } = {
      names: open.filter(({ segments, done }) => done === segments.length).map(({ name }) => name),
      keys,
      otherKey: undefined,
      element: undefined
    }
    // Known before it is complete, because `**` leads back to it.
    states.set(id, state)
    state.otherKey = stateOf(anyDepth)
    state.element = after("*")
    for (const key of new Set(open.flatMap(({ segments, done }) => segments[done] ?? []))) {
      const next = key === "*" || key === "**" ? undefined : after(key)
      if (next === undefined) continue
      keys.push({ key, spelling: encoder.encode(JSON.stringify(key).slice(1, -1)), state: next })
    }
    return state
  }

  const names = Object.keys(patterns) as Array<Name>
  return { root: stateOf(names.map((name) => ({ name, segments: patterns[name].split("."), done: 0 }))) }
}

/** Adds the patterns as they are if the `**` that they have come to stands for nothing, and removes duplicates. */
const withoutAnyDepth = <Name extends string>(
  reached: ReadonlyArray<Progress<Name>>
): ReadonlyArray<Progress<Name>> => {
  const open: Array<Progress<Name>> = []
  const add = (progress: Progress<Name>): void => {
    if (open.some(({ name, done }) => name === progress.name && done === progress.done)) return
    open.push(progress)
    if (progress.segments[progress.done] === "**") add({ ...progress, done: progress.done + 1 })
  }
  reached.forEach(add)
  return open
}
