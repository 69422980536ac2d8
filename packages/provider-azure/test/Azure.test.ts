import { assert, describe, it } from "@effect/vitest"
import { Account, defaultPolicy } from "@omnifile/core/Account"
import * as Bytes from "@omnifile/core/Bytes"
import type { FileUpload } from "@omnifile/core/Provider"
import * as Redacted from "effect/Redacted"
import { azure } from "../src/Azure.ts"

const account = (more: Partial<Account> = {}) =>
  new Account({
    id: "a",
    provider: "azure",
    baseUrl: "https://r.openai.azure.com/openai/v1",
    apiKey: Redacted.make("key"),
    headers: {},
    exclusive: false,
    policy: defaultPolicy,
    ...more
  })

const chat = (at: Account) => {
  const call = azure.chatCompletion?.(new Uint8Array(2), { account: at, model: "my gpt/4", headers: {} })
  assert(call !== undefined)
  return azure.address(call, at).path
}

const bodyOf = async (purpose: FileUpload["purpose"], expiresAfter: number | null = null): Promise<string> => {
  const step = azure.files?.create({
    filename: "a.pdf",
    contentType: "application/pdf",
    mediaType: "application/pdf",
    purpose,
    bytes: Bytes.fromArray(new TextEncoder().encode("hello")),
    length: 5,
    expiresAfter,
    nonce: "0123"
  })
  assert(step?._tag === "Call" && step.call.body !== null && !(step.call.body instanceof Uint8Array))
  return new TextDecoder().decode(await Bytes.collect(step.call.body.bytes))
}

const purposeOf = (body: string) => /name="purpose"\r\n\r\n([^\r]+)/.exec(body)?.[1]

describe("calls", () => {
  it("have no version in the v1 API, unless the account says so", () => {
    assert.strictEqual(chat(account()), "/chat/completions")
    assert.strictEqual(chat(account({ apiVersion: "preview" })), "/chat/completions?api-version=preview")
  })

  it("name the deployment and the version in the older API", () => {
    const dated = account({ apiVersion: "2025-04-01-preview" })
    assert.strictEqual(chat(dated), "/deployments/my%20gpt%2F4/chat/completions?api-version=2025-04-01-preview")
    const list = azure.files?.list("file-1")
    assert(list !== undefined)
    assert.match(
      azure.address(list, dated).path,
      /^\/files\?order=desc&.*&after=file-1&api-version=2025-04-01-preview$/
    )
    const cancel = azure.batches?.cancel("batch_1")
    assert(cancel !== undefined)
    assert.strictEqual(azure.address(cancel, dated).path, "/batches/batch_1/cancel?api-version=2025-04-01-preview")
  })

  it("carry a key of the resource, or a token of Entra", () => {
    assert.deepStrictEqual(azure.authorize(account(), Redacted.make("k")), { "api-key": "k" })
    assert.deepStrictEqual(azure.authorize(account({ auth: "entra" }), Redacted.make("t")), {
      authorization: "Bearer t"
    })
  })
})

describe("files", () => {
  it("of a user are files of assistants", async () => {
    const purposes = ["user_data", "vision", "assistants", "batch_output", "batch", "fine-tune", "evals"] as const
    assert.deepStrictEqual(await Promise.all(purposes.map(async (purpose) => purposeOf(await bodyOf(purpose)))), [
      "assistants",
      "assistants",
      "assistants",
      "assistants",
      "batch",
      "fine-tune",
      "evals"
    ])
  })

  it("live from fourteen days to thirty", async () => {
    assert.deepStrictEqual(azure.files?.life, { _tag: "Settable", shortest: 1_209_600, longest: 2_592_000 })
    assert.include(await bodyOf("batch", 1_209_600), 'name="expires_after[seconds]"\r\n\r\n1209600')
  })
})
