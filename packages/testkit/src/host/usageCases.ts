/** What calls have used is counted, however they are answered, and told to who may know. */
import { assert, it } from "@effect/vitest"
import type OpenAI from "openai"
import { refused } from "./checks.ts"
import { countedModel } from "./Installation.ts"
import type { RunningHost } from "./RunningHost.ts"

interface Usage {
  readonly calls: number
  readonly model: string
  readonly account: string
  readonly input_tokens: number
  readonly output_tokens: number
}

/** At once. */
const calls = 24

const none = { calls: 0, input_tokens: 0, output_tokens: 0 }

const usageOf = async ({ call }: RunningHost, model: string): Promise<Omit<Usage, "model" | "account">> => {
  const answer = await call("/v1/usage?group_by=model,account")
  assert.strictEqual(answer.statusCode, 200)
  const { data } = (await answer.body.json()) as { readonly data: ReadonlyArray<Usage> }
  return data.find((usage) => usage.model === model) ?? none
}

export const register = (host: () => RunningHost): void => {
  it("counts what calls have used, plain and streamed", async () => {
    const { openai } = host()
    const model = countedModel
    const before = await usageOf(host(), model)
    const request = { model, messages: [{ role: "user" as const, content: "count this" }] }
    const streaming = { ...request, stream: true, stream_options: { include_usage: true } } as const
    const reported: Array<OpenAI.CompletionUsage> = []
    const plainly = async (): Promise<void> => {
      const { usage } = await openai.chat.completions.create(request)
      if (usage !== undefined) reported.push(usage)
    }
    const streamed = async (): Promise<void> => {
      for await (const { usage } of await openai.chat.completions.create(streaming)) if (usage) reported.push(usage)
    }
    await Promise.all(Array.from({ length: calls }, (_, index) => (index % 2 === 0 ? plainly() : streamed())))
    assert.lengthOf(reported, calls)
    // A client may have its whole answer before the provider's connection says that there is no more.
    let after = await usageOf(host(), model)
    while (after.calls - before.calls < calls) after = await usageOf(host(), model)
    const sum = (of: (usage: OpenAI.CompletionUsage) => number) => reported.reduce((all, one) => all + of(one), 0)
    assert.strictEqual(after.calls - before.calls, calls)
    assert.strictEqual(
      after.input_tokens - before.input_tokens,
      sum(({ prompt_tokens }) => prompt_tokens)
    )
    assert.strictEqual(
      after.output_tokens - before.output_tokens,
      sum(({ completion_tokens }) => completion_tokens)
    )
  })

  it.each([
    ["group_by=colour", "group_by"],
    ["start_time=yesterday", "start_time"],
    ["start_time=20&end_time=10", "start_time"],
    ["start_time=0&end_time=4000000000", "start_time"],
    ["limit=0", "limit"],
    ["after=", "after"]
  ])("refuses to sum usage for %s", async (query, param) => {
    const error = await refused(await host().call(`/v1/usage?${query}`), 400)
    assert.strictEqual(error.param, param)
  })
}
