import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"

import type { LitellmIdentity } from "../src/LitellmId.ts"
import * as LitellmId from "../src/LitellmId.ts"
import { UnifiedIds } from "../src/UnifiedId.ts"

const base64url = (text: string) => Buffer.from(text).toString("base64url")
const base64 = (text: string) => Buffer.from(text).toString("base64")

const assertRecognised = (text: string, identity: LitellmIdentity) =>
  assert.deepStrictEqual(LitellmId.recognise(text), Option.some(identity), text)

const assertUnknown = (text: string) => assert.isTrue(Option.isNone(LitellmId.recognise(text)), text)

const uuid = "fc7f2ea5-0f50-49f6-89c1-7e6a54b12138"
const noCopy = { models: [], providerFileId: null, deployment: null }
const hexadecimal = "49218581f78ebe9ef18414fa4f7fb9fa74c095ed112ca840dd56dffe9bd30dd1"

describe("identifiers from LiteLLM's own tests and documentation", () => {
  const vectors: ReadonlyArray<readonly [string, LitellmIdentity]> = [
    [
      "bGl0ZWxsbV9wcm94eTphcHBsaWNhdGlvbi9wZGY7dW5pZmllZF9pZCxmYzdmMmVhNS0wZjUwLTQ5ZjYtODljMS03ZTZhNTRiMTIxMzg",
      { _tag: "File", uuid, contentType: "application/pdf", ...noCopy }
    ],
    [
      "bGl0ZWxsbV9wcm94eTttb2RlbF9pZDpteS1nZW5lcmFsLWF6dXJlLWRlcGxveW1lbnQ7bGxtX2JhdGNoX2lkOmJhdGNoX2EzMjJiNmJhLWFj" +
        "N2UtNDg4OC05MjljLTFhZDM0NDJmMDZlZA",
      {
        _tag: "Batch",
        deployment: "my-general-azure-deployment",
        providerId: "batch_a322b6ba-ac7e-4888-929c-1ad3442f06ed",
        outputFileId: null
      }
    ],
    [
      "bGl0ZWxsbV9wcm94eTttb2RlbF9pZDpteS1tb2RlbDtsbG1fYmF0Y2hfaWQ6YmF0Y2hfYWJjMTIz",
      { _tag: "Batch", deployment: "my-model", providerId: "batch_abc123", outputFileId: null }
    ],
    [
      "bGl0ZWxsbV9wcm94eTttb2RlbF9pZDo0OTIxODU4MWY3OGViZTllZjE4NDE0ZmE0ZjdmYjlmYTc0YzA5NWVkMTEyY2E4NDBkZDU2ZGZmZTli" +
        "ZDMwZGQxO2dlbmVyaWNfcmVzcG9uc2VfaWQ6ZnRqb2ItalRCeXM3YlZzYnlaRE93TDlHbHBZcVhS",
      { _tag: "GenericJob", deployment: hexadecimal, providerId: "ftjob-jTBys7bVsbyZDOwL9GlpYqXR" }
    ],
    [
      "file-bGl0ZWxsbTpmaWxlLWFiYzEyMzttb2RlbCxncHQtNG8taWZvb2Q",
      { _tag: "ModelEncoded", kind: "file", providerId: "file-abc123", model: "gpt-4o-ifood" }
    ],
    [
      "batch_bGl0ZWxsbTozODE0ODg5NDIzNzQ5Nzc1MzYwO21vZGVsLGdlbWluaS0yLjUtcHJv",
      { _tag: "ModelEncoded", kind: "batch", providerId: "3814889423749775360", model: "gemini-2.5-pro" }
    ]
  ]

  it.each(vectors)("%s", (text, identity) => assertRecognised(text, identity))
})

describe("every form", () => {
  const file = { _tag: "File", uuid, contentType: "application/pdf", ...noCopy } as const
  const current =
    `litellm_proxy:text/plain;unified_id,${uuid};target_model_names,gpt-4o, claude-3 ,,gemini;` +
    "llm_output_file_id,file-abc;llm_output_file_model_id,dep-1"

  it("files of all generations", () => {
    assertRecognised(base64url(current), {
      ...file,
      contentType: "text/plain",
      models: ["gpt-4o", "claude-3", "gemini"],
      providerFileId: "file-abc",
      deployment: "dep-1"
    })
    assertRecognised(base64url(`litellm_proxy:application/pdf;unified_id,${uuid}`), file)
    assertRecognised(base64url(`litellm_proxy:application/pdf;unified_id,${uuid};target_model_names,gpt-4o`), {
      ...file,
      models: ["gpt-4o"]
    })
  })

  it("an output file without models, and a missing deployment", () => {
    assertRecognised(
      base64url(
        `litellm_proxy:application/json;unified_id,${uuid};target_model_names,;` +
          "llm_output_file_id,gs://bucket/out,1;llm_output_file_model_id,None"
      ),
      { ...file, contentType: "application/json", providerFileId: "gs://bucket/out,1" }
    )
  })

  it("a content type with a parameter", () => {
    assertRecognised(base64url(`litellm_proxy:text/csv; charset=utf-8;unified_id,${uuid}`), {
      ...file,
      contentType: "text/csv; charset=utf-8"
    })
  })

  it("a field name inside a value or inside another name is not that field", () => {
    assertRecognised(
      base64url(
        `litellm_proxy:text/xunified_id,no;unified_id,${uuid};target_model_names,a-llm_output_file_id,model_id;` +
          "llm_output_file_model_id,dep"
      ),
      {
        ...file,
        contentType: "text/xunified_id,no",
        models: ["a-llm_output_file_id", "model_id"],
        deployment: "dep"
      }
    )
    assertRecognised(
      base64url(
        `litellm_proxy:vector_store;unified_id,${uuid};target_model_names,a;resource_id,vs_1;` +
          "llm_output_file_model_id,wrong;model_id,right"
      ),
      { _tag: "VectorStore", uuid, models: ["a"], providerId: "vs_1", deployment: "right" }
    )
  })

  it("batches, with and without the early output file", () => {
    const batch = { _tag: "Batch", deployment: "d", providerId: "batch_1", outputFileId: null } as const
    assertRecognised(base64url("litellm_proxy;model_id:d;llm_batch_id:batch_1"), batch)
    assertRecognised(base64url("litellm_proxy;model_id:d;llm_batch_id:batch_1;llm_output_file_id:file-1"), {
      ...batch,
      outputFileId: "file-1"
    })
    assertRecognised(base64url("litellm_proxy;model_id:None;llm_batch_id:batch_1"), { ...batch, deployment: null })
  })

  it("generic jobs", () => {
    assertRecognised(base64url("litellm_proxy;model_id:d;generic_response_id:ftjob-1"), {
      _tag: "GenericJob",
      deployment: "d",
      providerId: "ftjob-1"
    })
  })

  it("vector stores", () => {
    assertRecognised(
      base64url(
        `litellm_proxy:vector_store;unified_id,${uuid};target_model_names,a,b;resource_id,vs_1;model_id,${hexadecimal}`
      ),
      { _tag: "VectorStore", uuid, models: ["a", "b"], providerId: "vs_1", deployment: hexadecimal }
    )
  })

  it("pass-through objects", () => {
    assertRecognised(base64url(`litellm_proxy:passthrough;provider:azure;unified_id,${uuid};raw_id,batch_2026-05.1`), {
      _tag: "Passthrough",
      provider: "azure",
      uuid,
      providerId: "batch_2026-05.1"
    })
  })

  it("responses of both forms, bare and behind resp_, in both spellings of base64", () => {
    const response = { _tag: "Response", providerId: "resp_1", provider: null, deployment: null } as const
    const owned = "litellm_proxy:responses_api:response_id:resp_1;user_id:alice;team_id:"
    const routed = "litellm:custom_llm_provider:openai;model_id:None;response_id:resp_1"
    for (const spell of [
      base64url,
      (text: string) => `resp_${base64(text)}`,
      (text: string) => `resp_${base64url(text)}`
    ]) {
      assertRecognised(spell(owned), { ...response, userId: "alice", teamId: null })
      assertRecognised(spell(`${owned}research;key_hash:abc`), { ...response, userId: "alice", teamId: "research" })
      assertRecognised(spell(routed), { ...response, provider: "openai", userId: null, teamId: null })
    }
  })

  it("videos", () => {
    const video = { _tag: "Video", provider: "azure", deployment: "sora", providerId: "video_1" } as const
    const text = "litellm:custom_llm_provider:azure;model_id:sora;video_id:video_1"
    for (const encoded of [base64(text), base64url(text)]) assertRecognised(`video_${encoded}`, video)
    assertRecognised(`video_${base64("litellm:custom_llm_provider:azure;model_id:;video_id:video_1")}`, {
      ...video,
      deployment: null
    })
  })

  it("provider IDs with a model name", () => {
    for (const [prefix, kind] of [
      ["file-", "file"],
      ["batch_", "batch"]
    ] as const) {
      assertRecognised(prefix + base64url("litellm:gs://bucket/a,b;model,vertex/gemini"), {
        _tag: "ModelEncoded",
        kind,
        providerId: "gs://bucket/a,b",
        model: "vertex/gemini"
      })
    }
  })

  it("any field values without a separator", () => {
    const value = fc.string({ unit: "binary", minLength: 1 }).filter((text) => !/[;,]|^None$/.test(text))
    const names = value.filter((text) => text.trim() === text)
    fc.assert(
      fc.property(value, fc.uuid(), fc.array(names), value, value, (contentType, id, models, fileId, deployment) => {
        const text =
          `litellm_proxy:${contentType};unified_id,${id};target_model_names,${models.join(",")};` +
          `llm_output_file_id,${fileId};llm_output_file_model_id,${deployment}`
        assertRecognised(base64url(text), {
          ...file,
          uuid: id,
          contentType,
          models,
          providerFileId: fileId,
          deployment
        })
      })
    )
  })
})

describe("everything else is unknown", () => {
  it("a form that lacks what names the object", () => {
    for (const text of [
      "litellm_proxy",
      "litellm_proxy:",
      "litellm_proxy:application/pdf",
      "litellm_proxy:application/pdf;unified_id,",
      "litellm_proxy;model_id:d",
      "litellm_proxy;model_id:d;llm_batch_id:",
      `litellm_proxy:vector_store;unified_id,${uuid}`,
      `litellm_proxy:passthrough;provider:azure;unified_id,${uuid}`,
      "litellm_proxy:responses_api:user_id:alice",
      "litellm:custom_llm_provider:openai;model_id:m",
      "litellm:file-abc;model,",
      `other:application/pdf;unified_id,${uuid}`,
      ` litellm_proxy:application/pdf;unified_id,${uuid}`
    ]) {
      for (const prefix of ["", "file-", "batch_", "resp_", "video_"]) assertUnknown(prefix + base64url(text))
      assertUnknown(text)
    }
  })

  it("a form behind the prefix of another", () => {
    const file = base64url(`litellm_proxy:application/pdf;unified_id,${uuid}`)
    for (const prefix of ["file-", "batch_", "resp_", "video_", "ftjob-", "x"]) assertUnknown(prefix + file)
    for (const prefix of ["", "resp_", "video_"]) assertUnknown(prefix + base64url("litellm:file-abc;model,m"))
  })

  it("another spelling, ill-formed UTF-8, and text too long", () => {
    const id = base64url(`litellm_proxy:application/pdf;unified_id,${uuid}`)
    assert.isTrue(Option.isSome(LitellmId.recognise(id)))
    for (const text of [`${id}=`, `${id} `, `\n${id}`, id.toLowerCase(), `${id.slice(0, 30)}\n${id.slice(30)}`]) {
      assertUnknown(text)
    }
    assertUnknown(
      Buffer.concat([Buffer.from("litellm_proxy:a;unified_id,"), Buffer.of(0xff, 0xfe)]).toString("base64url")
    )
    assertUnknown(base64url(`litellm_proxy:${"a".repeat(8192)};unified_id,${uuid}`))
  })

  it("garbage and identifiers of providers; nothing throws", () => {
    const anyText = fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) })
    const prefixes = fc.constantFrom("", "file-", "batch_", "resp_", "video_")
    fc.assert(
      fc.property(prefixes, anyText, (prefix, text) => {
        assertUnknown(prefix + text)
        LitellmId.recognise(prefix + base64url(`litellm_proxy${text}`))
        LitellmId.recognise(prefix + base64url(`litellm:${text}`))
      })
    )
    for (const text of ["", "file-abc123", "batch_67a1", "ftjob-1", "resp_0f", "gs://bucket/a"]) assertUnknown(text)
  })

  it("unified identifiers; and those of LiteLLM are no unified identifiers", () => {
    const secret = Redacted.make("a secret of this installation")
    const job = { _tag: "Batch", uuid, deployment: "d", providerId: "batch_1" } as const
    for (const layer of [UnifiedIds.layerSealed({ current: secret }), UnifiedIds.layerPlain]) {
      const ids = Effect.runSync(Effect.provide(UnifiedIds, layer))
      assertUnknown(ids.encode(job))
      const litellm = `batch_${base64url("litellm:batch_1;model,m")}`
      assert.isTrue(Option.isSome(LitellmId.recognise(litellm)))
      assert.isTrue(Option.isNone(ids.decode("batch", litellm)))
    }
  })
})
