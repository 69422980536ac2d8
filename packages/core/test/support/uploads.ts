/** Uploads in parts, by an instance of a world. */
import * as Effect from "effect/Effect"
import * as Bytes from "../../src/Bytes.ts"
import type { Principal } from "../../src/Principal.ts"
import { UploadExpiry } from "../../src/UploadExpiry.ts"
import type { CreateUpload } from "../../src/UploadOperation.ts"
import { Uploads } from "../../src/Uploads.ts"
import { encode } from "./FakeProvider.ts"
import { alice } from "./principals.ts"
import type { Instance } from "./World.ts"

export const begin = (
  { run }: Instance,
  bytes: number,
  fields: Partial<CreateUpload> = {},
  principal: Principal = alice
) =>
  Effect.scoped(
    Effect.map(
      run(
        {
          _tag: "CreateUpload",
          filename: "a.txt",
          bytes,
          mimeType: "text/plain",
          purpose: "user_data",
          models: [],
          expiresAfter: null,
          idempotencyKey: null,
          ...fields
        },
        principal
      ),
      ({ upload }) => upload
    )
  )

/** The ID of the part. */
export const addBytes = (
  { run, within }: Instance,
  id: string,
  bytes: Bytes.Bytes,
  principal: Principal = alice,
  idempotencyKey: string | null = null
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const uploads = yield* within(Uploads)
      const part = yield* uploads.receive(principal, id, bytes, { digest: idempotencyKey !== null })
      return (yield* run({ _tag: "AddUploadPart", id, part, idempotencyKey }, principal)).part.id
    })
  )

export const add = (instance: Instance, id: string, content: string, principal: Principal = alice) =>
  addBytes(instance, id, Bytes.fromArray(encode(content)), principal)

export const complete = (
  { run }: Instance,
  id: string,
  parts: ReadonlyArray<string>,
  md5: string | null = null,
  principal: Principal = alice
) => Effect.scoped(Effect.map(run({ _tag: "CompleteUpload", id, parts, md5 }, principal), ({ upload }) => upload))

export const cancel = ({ run }: Instance, id: string, principal: Principal = alice) =>
  Effect.scoped(Effect.map(run({ _tag: "CancelUpload", id }, principal), ({ upload }) => upload))

/** One round of what happens to uploads without anyone asking. */
export const tidy = ({ within }: Instance) => within(UploadExpiry.use(({ round }) => round))
