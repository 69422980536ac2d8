/** A hook of your own beside managed files: an audit trail, and a quota of uploads for each user. */
import { RateLimited } from "@omnifile/core/CallError"
import type { Hook } from "@omnifile/core/Hooks"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"

export interface AuditOptions {
  readonly uploadsPerUser: number
  readonly write: (line: string) => void
}

export const makeAuditHook = ({ uploadsPerUser, write }: AuditOptions): Effect.Effect<Hook> =>
  Effect.gen(function* () {
    const uploads = yield* Ref.make<ReadonlyMap<string, number>>(new Map())

    const countUpload = (user: string) =>
      Ref.modify(uploads, (counts) => {
        const count = (counts.get(user) ?? 0) + 1
        return [count, new Map(counts).set(user, count)]
      })

    const hook: Hook = {
      name: "audit",
      preCall: Effect.fnUntraced(function* (call) {
        const user = call.principal.user ?? "nobody"
        if (call.operation._tag === "CreateFile" && (yield* countUpload(user)) > uploadsPerUser) {
          return yield* new RateLimited({ message: `${user} has used up the quota of uploads.`, retryAfter: 3_600_000 })
        }
        return call
      }),
      postCall: (call, answer) =>
        Effect.sync(() => {
          write(`${call.principal.user ?? "nobody"} ${answer._tag} files=${call.files.size}`)
          return answer
        }),
      onFailure: (call, failure) =>
        Effect.sync(() => {
          write(`${call.principal.user ?? "nobody"} ${call.operation._tag} ${failure._tag} ${failure.error._tag}`)
          return null
        })
    }
    return hook
  })
