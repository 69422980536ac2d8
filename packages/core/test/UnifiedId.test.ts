import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"

import type { FileIdentity, Identity, JobIdentity, Kind } from "../src/UnifiedId.ts"
import { kindOf, maxLength, prefixes, UnifiedIdError, UnifiedIds } from "../src/UnifiedId.ts"

const secret = "a secret of this installation"
const kinds = Object.keys(prefixes) as ReadonlyArray<Kind>

const sealed = (current: string, ...previous: ReadonlyArray<string>) =>
  UnifiedIds.layerSealed({ current: Redacted.make(current), previous: previous.map((old) => Redacted.make(old)) })

const build = (layer: ReturnType<typeof sealed>) => Effect.runSync(Effect.provide(UnifiedIds, layer))

const formats = [
  { name: "sealed", layer: sealed(secret) },
  { name: "plain", layer: UnifiedIds.layerPlain }
]

const uuid = "0192b3c4-5678-7abc-8def-0123456789ab"

const file: FileIdentity = {
  _tag: "File",
  uuid,
  contentType: "application/pdf",
  models: ["gpt-4o-mini"],
  providerFileId: "file-AbCdEfGhIjKlMnOpQrStUv",
  deployment: "mini-main"
}

const batch: JobIdentity<"Batch"> = { _tag: "Batch", uuid, deployment: "mini-main", providerId: "batch_abc123" }

const one: ReadonlyArray<Identity> = [
  file,
  batch,
  { ...batch, _tag: "FineTuningJob", providerId: "ftjob-abc123" },
  { ...batch, _tag: "Response", providerId: "resp_abc123" }
]

const wellFormed = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("", ";", ",", "a;b,c", "%", "%2C", "%253B", ";models,x", "\u0000", "\uFEFFmarked", "日本語 🗂️")
)

const identities = (text: fc.Arbitrary<string>): fc.Arbitrary<Identity> => {
  const nullable = fc.option(text)
  return fc.oneof(
    fc.record({
      _tag: fc.constant("File" as const),
      uuid: fc.uuid(),
      contentType: text,
      models: fc.array(text, { maxLength: 30 }),
      providerFileId: nullable,
      deployment: nullable
    }),
    fc.record({
      _tag: fc.constantFrom("Batch" as const, "FineTuningJob" as const, "Response" as const),
      uuid: fc.uuid(),
      deployment: text,
      providerId: text
    })
  )
}

const plainObject = (identity: Identity): Identity => structuredClone(identity)

const assertRefused = (ids: UnifiedIds["Service"], text: string, why: string) => {
  for (const kind of kinds) assert.isTrue(Option.isNone(ids.decode(kind, text)), `${why}: ${kind} ${text}`)
}

const body = (text: string): string => text.slice(text.search(/[-_]/) + 1)

const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(body(text), "base64url"))

const base64urlAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

describe.each(formats)("all identifiers ($name)", ({ layer }) => {
  it("round trip every identity, and differ for different ones", () => {
    const ids = build(layer)
    const seen = new Map<string, Identity>()
    fc.assert(
      fc.property(identities(wellFormed), (identity) => {
        const text = ids.encode(identity)
        assert.match(text, /^(file-|batch_|ftjob-|resp_)[\w-]+$/)
        assert.isTrue(text.startsWith(prefixes[kindOf(identity)]))
        assert.deepStrictEqual(ids.decode(kindOf(identity), text), Option.some(plainObject(identity)))
        assert.deepStrictEqual(seen.get(text) ?? identity, identity)
        seen.set(text, identity)
      }),
      { numRuns: 500 }
    )
  })

  it("tell null, the empty string and the empty list apart", () => {
    const ids = build(layer)
    const variants: ReadonlyArray<FileIdentity> = [null, "", "null", "None"].flatMap((value) =>
      [[], [""], ["", ""]].flatMap((models) => [
        { ...file, models, providerFileId: value },
        { ...file, models, deployment: value }
      ])
    )
    assert.strictEqual(new Set(variants.map(ids.encode)).size, variants.length)
    for (const identity of variants) {
      assert.deepStrictEqual(ids.decode("file", ids.encode(identity)), Option.some(identity))
    }
  })

  it("write a lone surrogate as U+FFFD", () => {
    const ids = build(layer)
    const utf16 = fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) })
    const toWellFormed = (text: string) => text.replace(/\p{Surrogate}/gu, "\uFFFD")
    fc.assert(
      fc.property(utf16, (contentType) => {
        const decoded = ids.decode("file", ids.encode({ ...file, contentType }))
        assert.deepStrictEqual(decoded, Option.some({ ...file, contentType: toWellFormed(contentType) }))
      })
    )
  })

  it("are the same for the same identity, whoever makes them", () => {
    const [first, second] = [build(layer), build(layer)]
    fc.assert(
      fc.property(identities(wellFormed), (identity) => {
        assert.strictEqual(first.encode(identity), second.encode(plainObject(identity)))
        assert.deepStrictEqual(second.decode(kindOf(identity), first.encode(identity)), Option.some(identity))
      })
    )
  })

  it("are not interchangeable between kinds", () => {
    const ids = build(layer)
    for (const identity of one) {
      const own = kindOf(identity)
      const text = ids.encode(identity)
      assert.isTrue(Option.isSome(ids.decode(own, text)))
      for (const other of kinds.filter((kind) => kind !== own)) {
        assert.isTrue(Option.isNone(ids.decode(other, text)), `${own} as ${other}`)
        assertRefused(ids, prefixes[other] + body(text), `${own} under the prefix of ${other}`)
      }
      assertRefused(ids, body(text), "without a prefix")
    }
  })

  it("have one spelling only", () => {
    const ids = build(layer)
    for (const identity of one) {
      const text = ids.encode(identity)
      const spellings = [
        `${text}=`,
        `${text}==`,
        `${text}\n`,
        ` ${text}`,
        `${text.slice(0, 20)}\r\n${text.slice(20)}`,
        encodeURIComponent(`${text}=`),
        text.toUpperCase(),
        text.toLowerCase()
      ]
      for (const spelling of spellings) assertRefused(ids, spelling, "another spelling")
    }
  })

  it("refuse the standard alphabet and set bits after the last byte, although the bytes are the same", () => {
    const ids = build(layer)
    const tried = { alphabet: 0, bits: 0 }
    fc.assert(
      fc.property(identities(wellFormed), (identity) => {
        const text = ids.encode(identity)
        const prefix = prefixes[kindOf(identity)]
        const standard = prefix + body(text).replaceAll("-", "+").replaceAll("_", "/")
        if (standard !== text) {
          tried.alphabet++
          assertRefused(ids, standard, "standard alphabet")
        }
        if (body(text).length % 4 !== 0) {
          tried.bits++
          const last = base64urlAlphabet.indexOf(text.slice(-1))
          const withBits = text.slice(0, -1) + base64urlAlphabet.charAt(last + 1)
          assert.deepStrictEqual(bytesOf(withBits), bytesOf(text))
          assertRefused(ids, withBits, "unused bits set")
        }
      })
    )
    assert.isAbove(tried.bits, 0)
  })

  it("never throw on garbage", () => {
    const ids = build(layer)
    const anyText = fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)), maxLength: 300 })
    const anyBody = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array).toString("base64url"))
    const prefix = fc.constantFrom("", ...Object.values(prefixes))
    fc.assert(
      fc.property(prefix, fc.oneof(anyText, anyBody, fc.string()), (start, rest) => {
        assertRefused(ids, start + rest, "garbage")
      }),
      { numRuns: 2000 }
    )
    const providers = [
      "file-abc123",
      "file-AbCdEfGhIjKlMnOpQrStUv",
      "batch_67a1",
      "resp_0f",
      "gs://bucket/a",
      "",
      "file-"
    ]
    for (const text of providers) assertRefused(ids, text, "an ID of a provider")
  })

  it("are at most maxLength long", () => {
    const ids = build(layer)
    const withType = (length: number) => ({ ...file, contentType: "x".repeat(length) })
    let longest = 1
    let tooLong = maxLength
    while (tooLong - longest > 1) {
      const middle = Math.floor((longest + tooLong) / 2)
      try {
        ids.encode(withType(middle))
        longest = middle
      } catch (error) {
        assert.instanceOf(error, UnifiedIdError)
        assert.strictEqual(error.reason, "TooLong")
        tooLong = middle
      }
    }
    const text = ids.encode(withType(longest))
    assert.isAtMost(text.length, maxLength)
    assert.isAtLeast(text.length, maxLength - 2)
    assert.deepStrictEqual(ids.decode("file", text), Option.some(withType(longest)))
    assertRefused(ids, text.padEnd(maxLength + 1, "A"), "too long")
    assertRefused(ids, text.padEnd(1_000_000, "A"), "far too long")
  })

  it("need a UUID in canonical form", () => {
    const ids = build(layer)
    for (const wrong of ["", "x", uuid.toUpperCase(), `{${uuid}}`, uuid.replaceAll("-", ""), `${uuid}\n`]) {
      for (const identity of one) {
        assert.throws(() => ids.encode({ ...identity, uuid: wrong }), UnifiedIdError, /canonical/)
      }
    }
  })

  it("give the same frozen identity again without decoding anew", () => {
    const encoder = build(layer)
    const ids = build(layer)
    for (const identity of one) {
      const text = encoder.encode(identity)
      const first = ids.decode(kindOf(identity), text)
      assert.strictEqual(ids.decode(kindOf(identity), text), first)
      const decoded = Option.getOrThrow(first)
      assert.isTrue(Object.isFrozen(decoded))
      if (decoded._tag === "File") assert.isTrue(Object.isFrozen(decoded.models))
    }
  })
})

describe("sealed identifiers", () => {
  it("show no field, neither as text nor as base64", () => {
    const ids = build(sealed(secret))
    const readable = fc.string({ unit: "grapheme-ascii", minLength: 6, maxLength: 30 })
    fc.assert(
      fc.property(identities(readable), (identity) => {
        const text = ids.encode(identity)
        const decodings = [0, 1, 2, 3].map((offset) =>
          Buffer.from(body(text).slice(offset), "base64url").toString("latin1")
        )
        const fields = Object.entries(identity).flatMap(([name, value]) => (name === "_tag" ? [] : value))
        for (const field of fields.filter((value) => typeof value === "string")) {
          for (const shown of [text, ...decodings]) assert.notInclude(shown, field)
        }
      })
    )
    const uuidBytes = Buffer.from(uuid.replaceAll("-", ""), "hex")
    assert.strictEqual(Buffer.from(bytesOf(ids.encode(file))).indexOf(uuidBytes), -1)
  })

  it("refuse every change of one character", () => {
    const ids = build(sealed(secret))
    const characters = [...`${base64urlAlphabet}=+/% é\u0000`]
    for (const text of [ids.encode(file), ids.encode(batch)]) {
      const kind = text.startsWith("file-") ? "file" : "batch"
      assert.isTrue(Option.isSome(ids.decode(kind, text)))
      for (let position = 0; position < text.length; position++) {
        for (const character of characters) {
          if (character === text[position]) continue
          const changed = text.slice(0, position) + character + text.slice(position + 1)
          assert.isTrue(Option.isNone(ids.decode(kind, changed)), changed)
        }
      }
    }
  })

  it("refuse every change of one bit, of one byte's place, and every cut", () => {
    const ids = build(sealed(secret))
    for (const identity of one) {
      const text = ids.encode(identity)
      const prefix = prefixes[kindOf(identity)]
      const whole = bytesOf(text)
      const spell = (changed: Uint8Array) => prefix + Buffer.from(changed).toString("base64url")
      assert.strictEqual(spell(whole), text)
      for (let index = 0; index < whole.length; index++) {
        for (let bit = 0; bit < 8; bit++) {
          const flipped = Uint8Array.from(whole)
          flipped[index]! ^= 1 << bit
          assertRefused(ids, spell(flipped), "a flipped bit")
        }
        assertRefused(ids, spell(whole.subarray(0, index)), "cut short")
        assertRefused(ids, spell(whole.subarray(index + 1)), "cut off in front")
        assertRefused(ids, spell(Uint8Array.from([...whole.subarray(0, index), 0, ...whole.subarray(index)])), "longer")
      }
      for (let length = 0; length < text.length; length++) assertRefused(ids, text.slice(0, length), "cut short")
    }
  })

  it("of another secret are refused, also where the key-id bytes are the same", () => {
    const ids = build(sealed(secret))
    const keyId = bytesOf(ids.encode(batch))[0]
    let sameKeyId = 0
    for (let other = 0; other < 3000 && sameKeyId === 0; other++) {
      const foreign = build(sealed(`another secret ${other}`)).encode(batch)
      assertRefused(ids, foreign, "foreign")
      if (bytesOf(foreign)[0] === keyId) sameKeyId++
    }
    assert.strictEqual(sameKeyId, 1)
  })

  it("stay valid under a previous secret, and fall silent without it", () => {
    const before = build(sealed("first"))
    const after = build(sealed("second", "first"))
    const later = build(sealed("third", "second", "first"))
    const dropped = build(sealed("second"))
    for (const identity of one) {
      const kind = kindOf(identity)
      const old = before.encode(identity)
      const renewed = after.encode(identity)
      assert.notStrictEqual(renewed, old)
      assert.strictEqual(renewed, dropped.encode(identity))
      assert.deepStrictEqual(after.decode(kind, old), Option.some(identity))
      assert.deepStrictEqual(after.decode(kind, renewed), Option.some(identity))
      assert.deepStrictEqual(later.decode(kind, old), Option.some(identity))
      assertRefused(dropped, old, "dropped secret")
      assertRefused(before, renewed, "secret to come")
    }
  })

  it("are told apart when two secrets in use share a key-id byte", () => {
    const byKeyId = new Map<number, string>()
    for (let index = 0; index < 300; index++) {
      const name = `secret ${index}`
      const keyId = bytesOf(build(sealed(name)).encode(batch))[0]!
      const twin = byKeyId.get(keyId)
      byKeyId.set(keyId, name)
      if (twin === undefined) continue
      const ids = build(sealed(name, twin))
      assert.deepStrictEqual(ids.decode("batch", build(sealed(twin)).encode(batch)), Option.some(batch))
      assert.deepStrictEqual(ids.decode("batch", ids.encode(batch)), Option.some(batch))
      return
    }
    assert.fail("no two secrets share a key-id byte")
  })

  it("need a secret", () => {
    for (const layer of [sealed(""), sealed(secret, "")]) {
      const error = Effect.runSync(Effect.flip(Effect.provide(UnifiedIds, layer)))
      assert.strictEqual(error.reason, "EmptySecret")
    }
  })

  it("have the stated size", () => {
    const ids = build(sealed(secret))
    const size = (prefix: string, fields: ReadonlyArray<string>, extra: number) => {
      const length = fields.reduce((sum, field) => sum + Buffer.byteLength(field), 0)
      return prefix.length + Math.ceil((4 * (34 + fields.length + extra + length)) / 3)
    }
    const thirty = Array.from({ length: 30 }, (_, index) => `model-name-no-${index + 10}`)
    for (const models of [[], ["gpt-4o-mini"], ["日本語"], thirty]) {
      const fields = [file.contentType, ...models, file.providerFileId!, file.deployment!]
      assert.strictEqual(ids.encode({ ...file, models }).length, size("file-", fields, 1))
    }
    assert.strictEqual(ids.encode(batch).length, size("batch_", [batch.deployment, batch.providerId], 0))
    assert.strictEqual(ids.encode(file).length, 140)
    assert.strictEqual(ids.encode({ ...file, models: thirty }).length, 804)
  })

  // Computed by another implementation of HKDF and AES-SIV (the Python package `cryptography`).
  it("keep their format: every later version reads the identifiers that clients hold", () => {
    const ids = build(sealed(secret))
    const held: ReadonlyArray<readonly [string, Identity]> = [
      [
        "file-5cv6DYKbDN7UKM7bqIvjjEr0dYhZJVypiC3CU-5_eRx9ZV86z_eSCpyvxJ-6NC3PDdgk3L9KRAKLwzoRDOGICN4rkix_xHouEsh1AKA" +
          "Cm3aVO_uKH1rdQRPWBWWpfaywLECo9sc",
        file
      ],
      [
        "file-5Ra4RaT70ecxOKUUT7djEMF3A9ZSlya93SQpj0X8dTMOxebVASryagwfPs2Z_lzt",
        { _tag: "File", uuid, contentType: "text/plain", models: [], providerFileId: null, deployment: null }
      ],
      ["batch_5Yz-6S5jKgAxy45seP7t8OgAoeAwM2G2V0KJ9Y5yLZeaDDgYwu8m-bNp75Cn5O5KVMjxcjRA-rNt", batch],
      [
        "ftjob-5WcinBrs1UlU8Dpk6HBOs6dIGQ1zHMvwZ5cEPBvk2K_2uoi3LSlOJlhqt68-BvLuyMUpE_JGEQ_M",
        { ...batch, _tag: "FineTuningJob", providerId: "ftjob-abc123" }
      ],
      [
        "resp_5evmRJoUWjitbNZkIqgaqovwdflhdWNZtKJFb-zVHZHRoqJBoY43xPASQyuFMBQVN9rnv7NRd80",
        { ...batch, _tag: "Response", providerId: "resp_abc123" }
      ]
    ]
    for (const [text, identity] of held) {
      assert.deepStrictEqual(ids.decode(kindOf(identity), text), Option.some(identity))
      assert.strictEqual(ids.encode(identity), text)
    }
  })
})

describe("plain identifiers", () => {
  const ids = build(UnifiedIds.layerPlain)
  const plain = (kind: Kind, line: string) => prefixes[kind] + Buffer.from(line).toString("base64url")
  const readable = (text: string) => Buffer.from(body(text), "base64url").toString()

  it("can be read", () => {
    assert.strictEqual(
      readable(ids.encode({ ...file, models: ["a;b", "50%,c"] })),
      `omnifile:file;uuid,${uuid};content_type,application/pdf;models,a%3Bb,50%25%2Cc` +
        ";provider_file_id,file-AbCdEfGhIjKlMnOpQrStUv;deployment,mini-main"
    )
    assert.strictEqual(
      readable(ids.encode(batch)),
      `omnifile:batch;uuid,${uuid};deployment,mini-main;provider_id,batch_abc123`
    )
  })

  it("have one spelling only, in the text too", () => {
    const line = `omnifile:batch;uuid,${uuid};deployment,d;provider_id,p`
    assert.isTrue(Option.isSome(ids.decode("batch", plain("batch", line))))
    const others = [
      `${line};`,
      `${line},q`,
      `${line};provider_id,p`,
      `${line};deployment,d`,
      line.replace(",d", ",%64"),
      line.replace(",d", ""),
      line.replace(`;uuid,${uuid}`, ""),
      line.replace(uuid, uuid.toUpperCase()),
      line.replace("omnifile:batch", "omnifile:response"),
      `omnifile:batch;deployment,d;uuid,${uuid};provider_id,p`,
      `\uFEFF${line}`
    ]
    for (const other of others) assertRefused(ids, plain("batch", other), other)
  })

  it("are refused by the sealed codec, and sealed ones by the plain codec", () => {
    const strict = build(sealed(secret))
    for (const identity of one) {
      assertRefused(strict, ids.encode(identity), "plain")
      assertRefused(ids, strict.encode(identity), "sealed")
    }
  })
})
