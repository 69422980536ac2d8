/** The calls about objects of S3 and of Cloud Storage, each against a server that checks them. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Account, Bucket, defaultPolicy } from "@omnifile/core/Account"
import * as Bytes from "@omnifile/core/Bytes"
import * as Provider from "@omnifile/core/Provider"
import * as Upstream from "@omnifile/core/Upstream"
import { bedrock } from "@omnifile/provider-bedrock/Bedrock"
import { vertex } from "@omnifile/provider-vertex/Vertex"
import * as GcsServer from "@omnifile/testkit/servers/GcsServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as UndiciTransport from "../src/UndiciTransport.ts"
import * as S3 from "./support/s3.ts"

let s3: S3.S3
let gcs: GcsServer.TestServer
beforeAll(async () => {
  s3 = await S3.start()
  gcs = await GcsServer.start()
})
afterAll(() => Promise.all([s3.stop(), gcs.stop()]))

const secret = JSON.stringify({ AccessKeyId: S3.accessKey.id, SecretAccessKey: S3.accessKey.secret })

const targets: Readonly<Record<string, (prefix: string, key?: string) => Upstream.ProviderAccount>> = {
  S3: (prefix, key = secret) => targetOf(bedrock, s3.baseUrl, { name: S3.bucket, prefix }, key),
  "Cloud Storage": (prefix, key = "token") =>
    targetOf(vertex, gcs.options.endpoint, { name: gcs.options.bucket, prefix }, key)
}

const targetOf = (
  provider: Provider.Provider,
  baseUrl: string,
  bucket: Omit<Bucket, "baseUrl">,
  key: string
): Upstream.ProviderAccount => {
  const account = new Account({
    id: "main",
    provider: provider.id,
    baseUrl: "https://cloud.invalid/projects/p",
    apiKey: Redacted.make(key),
    headers: {},
    exclusive: false,
    policy: { ...defaultPolicy, attempts: 1 },
    region: "us-east-1",
    bucket: new Bucket({ ...bucket, baseUrl })
  })
  return { account, provider: Provider.of(provider, account) }
}

const layer = Layer.provide(Upstream.layer, UndiciTransport.layer)

/** The calls about files, made. */
const callsTo = (target: Upstream.ProviderAccount) =>
  Effect.gen(function* () {
    const upstream = yield* Upstream.Upstream
    const { files } = target.provider
    if (files === null) return yield* Effect.die("no place for files")
    return {
      upload: (nonce: string, filename: string, text: string) => {
        const bytes = Buffer.from(text)
        const described = {
          filename,
          contentType: "text/plain",
          mediaType: "text/plain",
          purpose: "user_data"
        } as const
        const content = { bytes: Bytes.fromArray(bytes), length: bytes.length, expiresAfter: null, nonce }
        const begun: Array<string> = []
        return Effect.map(
          upstream.upload(target, Effect.succeed(files.create({ ...described, ...content })), (id) => begun.push(id)),
          (made) => ({ made, begun })
        )
      },
      retrieve: (id: string) => upstream.request(target, Effect.succeed(files.retrieve(id)), files.decodeFile),
      remove: (id: string) => upstream.request(target, Effect.succeed(files.remove(id)), Result.succeed),
      list: (cursor: string | null) =>
        upstream.request(target, Effect.succeed(files.list(cursor)), (body) => files.decodePage(body, cursor)),
      read: (id: string) =>
        Effect.scoped(
          Effect.flatMap(upstream.send(target, files.content?.(id) ?? files.retrieve(id)), ({ body }) =>
            Effect.promise(async () => Buffer.from(await Bytes.collect(body)).toString())
          )
        )
    }
  })

const names = [
  "report.pdf",
  "Bericht für 2026 (1).pdf",
  "a+b & <c>'\"!%20.txt",
  "..",
  "日本語の名前.pdf",
  "emoji 🙂.png",
  "back\\slash.txt"
]

describe.each(Object.keys(targets))("files in a bucket of %s", (kind) => {
  const target = (prefix: string, key?: string) =>
    targets[kind]?.(prefix, key) ?? assert.fail(`there is no bucket of ${kind}`)

  it.live("are found, listed by their names, read and deleted, whatever they are called", () =>
    Effect.gen(function* () {
      const calls = yield* callsTo(target("names/"))
      for (const [index, filename] of names.entries()) {
        const { begun, made } = yield* calls.upload(`nonce${index}`, filename, `content of ${filename}`)
        assert.deepStrictEqual(begun, [made.id])
        assert.match(made.id, /^names\/nonce\d\/[A-Za-z0-9._!-]+$/)
        const found = yield* calls.retrieve(made.id)
        assert.strictEqual(found.state, "ready")
        assert.strictEqual(found.id, made.id)
        assert.strictEqual(found.filename, filename)
        assert.strictEqual(found.bytes, Buffer.byteLength(`content of ${filename}`))
        assert.strictEqual(found.reference, made.reference)
        assert.strictEqual(yield* calls.read(made.id), `content of ${filename}`)
      }
      const { files, next } = yield* calls.list(null)
      assert.strictEqual(next, null)
      assert.deepStrictEqual(files.map(({ filename }) => filename).toSorted(), names.toSorted())
      for (const { createdAt, id } of files) {
        assert.isNumber(createdAt)
        yield* calls.remove(id)
        const gone = yield* Effect.result(calls.retrieve(id))
        assert.isTrue(Result.isSuccess(gone) ? gone.success.state === "failed" : gone.failure.absent)
      }
      assert.deepStrictEqual((yield* calls.list(null)).files, [])
    }).pipe(Effect.provide(layer))
  )

  it.live("are only those of the prefix, and only those that were made here", () =>
    Effect.gen(function* () {
      const own = yield* callsTo(target("own/"))
      const all = yield* callsTo(target(""))
      const { made } = yield* own.upload("n1", "mine.txt", "mine")
      yield* all.upload("n2", "other.txt", "other")
      const listed = yield* own.list(null)
      assert.deepStrictEqual(
        listed.files.map(({ id }) => id),
        [made.id]
      )
      // What lies deeper is called otherwise, and may be anybody's.
      const whole = yield* all.list(null)
      assert.deepStrictEqual(
        whole.files.map(({ filename }) => filename),
        ["other.txt"]
      )
    }).pipe(Effect.provide(layer))
  )
})

describe("a bucket of S3", () => {
  it.live("refuses another secret, without a word about what was signed", () =>
    Effect.gen(function* () {
      const wrong = JSON.stringify({ AccessKeyId: S3.accessKey.id, SecretAccessKey: "of-somebody-else" })
      const target = targetOf(bedrock, s3.baseUrl, { name: S3.bucket, prefix: "" }, wrong)
      const calls = yield* callsTo(target)
      const error = yield* Effect.flip(calls.list(null))
      assert.strictEqual(error.message, "files.list: account main refused the gateway's credentials (403)")
      const missing = targetOf(
        bedrock,
        s3.baseUrl.replace(S3.bucket, "no-such"),
        { name: "no-such", prefix: "" },
        secret
      )
      const absent = yield* Effect.flip((yield* callsTo(missing)).list(null))
      assert.strictEqual(
        absent.message,
        "files.list: account main refused the request (404): The specified bucket does not exist"
      )
    }).pipe(Effect.provide(layer))
  )

  it.live("is sent nothing without an access key", () =>
    Effect.gen(function* () {
      const before = s3.requests.length
      const calls = yield* callsTo(targetOf(bedrock, s3.baseUrl, { name: S3.bucket, prefix: "" }, "a-bearer-key"))
      const error = yield* Effect.flip(calls.list(null))
      assert.strictEqual(error.reason._tag, "Unreachable")
      assert.notInclude(JSON.stringify(error), "a-bearer-key")
      assert.lengthOf(s3.requests, before)
    }).pipe(Effect.provide(layer))
  )
})

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html: on newer versions of Node.js s3rver cannot page. */
const listed = `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>copies%2F</Prefix>
<NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken><KeyCount>2</KeyCount>
<MaxKeys>2</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><Contents>
<Key>copies/n1/a%21C3%21A4+b.txt</Key><LastModified>2026-11-01T10:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag>
<Size>434234</Size><StorageClass>STANDARD</StorageClass></Contents><Contents><Key>copies/n2/%21C3%21A4.txt</Key>
<LastModified>2026-11-01T10:00:01.000Z</LastModified><Size>1</Size></Contents></ListBucketResult>`

describe("a list of S3", () => {
  const { files } = targetOf(bedrock, "https://b.invalid", { name: "b", prefix: "copies/" }, secret).provider

  it("has files of ours, and tells how to go on", () => {
    assert(files !== null)
    const page = Result.getOrThrow(files.decodePage(listed, null))
    const [file, ...others] = page.files
    assert.deepStrictEqual(others, [])
    assert.deepStrictEqual(file, {
      id: "copies/n2/!C3!A4.txt",
      reference: "s3://b/copies/n2/!C3!A4.txt",
      filename: "ä.txt",
      bytes: 1,
      createdAt: Date.parse("2026-11-01T10:00:01Z"),
      expiresAt: null,
      state: "ready"
    })
    assert.include(
      files.list(page.next).path,
      "&continuation-token=1ueGcxLPRx1Tr%2FXYExHnhbYLgveDs2J%2Fwm36Hy4vbOwM%3D"
    )
  })

  it("is no other answer", () => {
    assert(files !== null)
    for (const body of [undefined, "", "<html></html>", { Contents: [] }]) {
      assert.isTrue(Result.isFailure(files.decodePage(body, null)))
      assert.isTrue(Result.isFailure(files.decodeFile(body)))
    }
  })
})

describe("a bucket of Cloud Storage", () => {
  it.live("is listed a page at a time", () =>
    Effect.gen(function* () {
      const inPages = targetOf(vertex, gcs.options.endpoint, { name: gcs.options.bucket, prefix: "pages/" }, "token")
      const calls = yield* callsTo(inPages)
      const { provider } = inPages
      yield* Effect.forEach(["a", "b", "c"], (name) => calls.upload(name, `${name}.txt`, name))
      const upstream = yield* Upstream.Upstream
      const page = (cursor: string | null) => {
        const { files } = provider
        if (files === null) return Effect.die("no place for files")
        const { path, ...call } = files.list(cursor)
        const short = { ...call, path: path.replace("maxResults=1000", "maxResults=2") }
        return upstream.request(inPages, Effect.succeed(short), (body) => files.decodePage(body, cursor))
      }
      const first = yield* page(null)
      assert.isNotNull(first.next)
      const second = yield* page(first.next)
      assert.isNull(second.next)
      assert.deepStrictEqual(
        [...first.files, ...second.files].map(({ filename }) => filename),
        ["a.txt", "b.txt", "c.txt"]
      )
    }).pipe(Effect.provide(layer))
  )
})
