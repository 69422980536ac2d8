/** The arguments of tool calls as they come in a stream: in pieces, as a whole, or in pieces and then as a whole. */
interface ToolInput {
  readonly index: number
  text: string
}

export class ToolInputs {
  readonly #inputs = new Map<string, ToolInput>()

  /** How many calls have begun. */
  get count(): number {
    return this.#inputs.size
  }

  /** The place of a call among the calls of the answer, from 0 on. */
  begin(id: string): number {
    const index = this.#inputs.size
    this.#inputs.set(id, { index, text: "" })
    return index
  }

  /** The place of the call that goes on; undefined for one that is not the client's. */
  add(id: string, delta: string): number | undefined {
    const input = this.#inputs.get(id)
    if (input === undefined) return undefined
    input.text += delta
    return input.index
  }

  /** What has not come yet of a call whose arguments are known now. */
  finish(id: string, text: string): { readonly begun: boolean; readonly index: number; readonly rest: string } {
    const input = this.#inputs.get(id)
    if (input === undefined) return { begun: false, index: this.begin(id), rest: text }
    // What was streamed counts: the whole differs from it in spaces at most.
    return { begun: true, index: input.index, rest: input.text === "" ? text : "" }
  }
}
