import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { ownerOf } from "../src/Access.ts"
import * as Uploads from "../src/UploadSession.ts"
import { alice } from "./support/principals.ts"

const start = 1_000_000

const fresh = new Uploads.UploadSession({
  key: "0190a1b2-0000-7000-8000-000000000001",
  id: "upload_a",
  state: "pending",
  owner: ownerOf(alice),
  filename: "a.txt",
  bytes: 10,
  mimeType: "text/plain",
  purpose: "user_data",
  models: [],
  fileExpiresAfter: null,
  createdAt: start,
  expiresAt: start + Uploads.lifetime,
  completion: null,
  dueAt: start + Uploads.lifetime
})

const attempt = (name: string): Uploads.Completion =>
  new Uploads.Completion({ attempt: name, instance: "one", parts: ["p"], md5: null, file: null })

type Step =
  | { readonly _tag: "begin" | "withFile" | "complete" | "reopen"; readonly attempt: string }
  | { readonly _tag: "cancel" | "expire" }

const steps = fc.array(
  fc.record({
    passes: fc.constantFrom(0, 1, Uploads.lifetime / 3, Uploads.lifetime),
    step: fc.oneof(
      fc.record({
        _tag: fc.constantFrom("begin", "withFile", "complete", "reopen"),
        attempt: fc.constantFrom("a", "b")
      }),
      fc.record({ _tag: fc.constantFrom("cancel", "expire") })
    ) as fc.Arbitrary<Step>
  }),
  { maxLength: 30 }
)

const take = (session: Uploads.UploadSession, step: Step, now: number): Uploads.UploadSession | undefined => {
  switch (step._tag) {
    case "begin":
      return Uploads.begin(session, attempt(step.attempt), now, now + 1)
    case "withFile":
      return Uploads.withFile(session, step.attempt, `file of ${step.attempt}`)
    case "complete":
      return Uploads.complete(session, step.attempt, now)
    case "reopen":
      return Uploads.reopen(session, step.attempt, session.completion?.file ?? null)
    case "cancel":
      return Uploads.cancel(session, now)
    case "expire":
      return Uploads.expire(session, now)
  }
}

describe("UploadSession", () => {
  it("keeps its promises whatever happens in whatever order", () => {
    fc.assert(
      fc.property(steps, (happenings) => {
        let session = fresh
        let now = start
        for (const { passes, step } of happenings) {
          now += passes
          const before = session
          const status = Uploads.statusOf(before, now)
          const after = take(before, step, now)
          if (after === undefined) continue
          session = after
          // What has ended stays as it is.
          assert.isFalse(Uploads.hasEnded(before), `${step._tag} of what is ${before.state}`)
          // Only an open upload begins anything, and only the attempt at hand goes on.
          if (step._tag === "begin" || step._tag === "cancel") assert.isTrue(Uploads.isOpen(before, now))
          if ("attempt" in step && step._tag !== "begin") {
            assert.strictEqual(before.completion?.attempt, step.attempt)
          }
          if (step._tag === "expire") assert.strictEqual(status, "expired")
          // A completed upload names the file of the attempt that completed it.
          if (after.state === "completed") {
            assert.strictEqual(after.completion?.file, `file of ${after.completion?.attempt}`)
          }
          assert.strictEqual(after.completion === null, after.state !== "completing" && after.state !== "completed")
          assert.isTrue(after.dueAt <= Math.max(now + 1, after.expiresAt))
        }
        // The row reads as it was written.
        const codec = Schema.fromJsonString(Uploads.UploadSession)
        assert.deepStrictEqual(Schema.decodeUnknownSync(codec)(Schema.encodeSync(codec)(session)), session)
      })
    )
  })

  it("is expired for clients as soon as its time is over, and pending while it is being completed", () => {
    const late = start + Uploads.lifetime
    assert.strictEqual(Uploads.statusOf(fresh, late - 1), "pending")
    assert.strictEqual(Uploads.statusOf(fresh, late), "expired")
    const completing = Uploads.begin(fresh, attempt("a"), start, start)
    if (completing === undefined) return assert.fail("it does not begin")
    assert.strictEqual(Uploads.statusOf(completing, late), "pending")
    assert.isUndefined(Uploads.cancel(completing, start))
    assert.isUndefined(Uploads.begin(completing, attempt("b"), start, start))
    assert.isUndefined(Uploads.reopen(completing, "a", "a file that it does not name"))
    const reopened = Uploads.reopen(completing, "a", null)
    if (reopened === undefined) return assert.fail("it does not reopen")
    assert.strictEqual(Uploads.statusOf(reopened, late), "expired")
  })

  it("lists a part for as long as it exists, and as due only while it is received", () => {
    const part = new Uploads.UploadPart({
      key: "p",
      id: "part_p",
      upload: fresh.key,
      state: "receiving",
      bytes: 0,
      createdAt: start,
      instance: "one",
      dueAt: start + 5
    })
    assert.deepStrictEqual(
      Uploads.partEntries(part).map(({ index }) => index),
      ["upload", "due"]
    )
    assert.deepStrictEqual(
      Uploads.partEntries(new Uploads.UploadPart({ ...part, state: "stored", dueAt: null })).map(({ index }) => index),
      ["upload"]
    )
  })
})
