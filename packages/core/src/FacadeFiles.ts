/** Files as the façade makes them, and names their copies. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { AccountFailure, invalid, ProvidersFailed } from "./CallError.ts"
import { Catalog } from "./Catalog.ts"
import { CopyUses } from "./CopyUses.ts"
import { run } from "./FacadeCall.ts"
import { contentOf, infoOf, nameOf, type NewFile } from "./FacadeValues.ts"
import { Intake } from "./Intake.ts"
import type { ManagedFile } from "./ManagedFile.ts"
import type { Principal } from "./Principal.ts"
import { Replication } from "./Replication.ts"

export const create = (file: NewFile, principal: Principal) =>
  Effect.scoped(
    Effect.gen(function* () {
      const intake = yield* Intake
      const filename = yield* nameOf(file.filename)
      const operation = {
        _tag: "CreateFile",
        content: yield* intake.receive(principal, contentOf(file.content)),
        filename,
        declaredType: file.contentType ?? null,
        purpose: file.purpose ?? "user_data",
        models: [...new Set(file.models)],
        expiresAfter: file.expiresAfter ?? null,
        idempotencyKey: file.idempotencyKey ?? null
      } as const
      return infoOf((yield* run(operation, principal)).file)
    })
  )

/** The provider's own name for its copy. */
export const referenceTo = Effect.fnUntraced(function* (file: ManagedFile, account: string) {
  const catalog = yield* Catalog
  const replication = yield* Replication
  const target = catalog.accounts.get(account)
  if (target === undefined) return yield* invalid(`There is no account ${account}.`, "account")
  const copy = yield* replication.ensure(file, account).pipe(
    Effect.mapError((error) => {
      if (!(error instanceof AccountFailure)) return error
      const message = `The account ${account} ${error.message}.`
      return new ProvidersFailed({ message, failures: [error] })
    })
  )
  const noted = (yield* CopyUses).note(file, copy, yield* Clock.currentTimeMillis)
  if (noted !== undefined) yield* noted
  const { expiresAt, reference, remoteId } = copy
  return { account, provider: target.provider.id, reference: reference ?? remoteId ?? "", expiresAt }
})
