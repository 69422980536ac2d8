/** `omnifile doctor`: whether the configuration works, and whether the registry and the accounts agree. */
import * as Audit from "@omnifile/core/Audit"
import * as Catalog from "@omnifile/core/Catalog"
import type { Provider } from "@omnifile/core/Provider"
import * as Registry from "@omnifile/core/Registry"
import * as Upstream from "@omnifile/core/Upstream"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Backends from "./Backends.ts"
import type { Doctor as DoctorCommand } from "./CommandLine.ts"
import type { Configuration } from "./config/Configuration.ts"
import * as Doctor from "./Doctor.ts"
import * as AccountCredentials from "./AccountCredentials.ts"
import * as UndiciTransport from "./UndiciTransport.ts"

/** It could not be looked at. */
export class CouldNotLook extends Data.TaggedError("CouldNotLook")<{ readonly message: string }> {}

/** The audit over the storage and the accounts of a configuration. Nothing else of a server runs. */
const layer = (configuration: Configuration, providers: ReadonlyArray<Provider>) => {
  const { accounts, deployments } = configuration
  return Audit.layer.pipe(
    Layer.provide(Layer.provide(Registry.layer, Backends.registry(configuration))),
    Layer.provide(Backends.content(configuration)),
    Layer.provide(Catalog.layer({ accounts, deployments, providers })),
    Layer.provide(Layer.provide(Upstream.layer, [UndiciTransport.layer, AccountCredentials.layer(configuration)]))
  )
}

const examples = (names: ReadonlyArray<string>): string =>
  `${names.slice(0, 5).join(", ")}${names.length > 5 ? ", ..." : ""}`

const countOf = <A extends { readonly outcome: string }>(found: ReadonlyArray<A>, outcome: A["outcome"]): string => {
  const count = found.filter((each) => each.outcome === outcome).length
  return count === 0 ? "" : `, ${count} ${outcome}`
}

/** What the audit has found, a line for each account and each kind. */
const findingsOf = ({ accounts, lostContent, lostCopies, orphans }: Audit.Report): ReadonlyArray<Doctor.Finding> => [
  ...accounts.map(({ account, error, listed }): Doctor.Finding => {
    const subject = `files of ${account}`
    if (error !== null) return { subject, verdict: "failed", detail: `cannot be compared: ${error}` }
    const lost = lostCopies.filter((copy) => copy.account === account)
    const ours = orphans.filter((orphan) => orphan.account === account)
    if (lost.length === 0 && ours.length === 0) {
      return { subject, verdict: "ok", detail: `agree with the registry (${listed} listed)` }
    }
    const parts = [
      ...(ours.length === 0
        ? []
        : [
            `${ours.length} that no file owns${countOf(ours, "deleted")}${countOf(ours, "left")} (` +
              `${examples(ours.map(({ filename, remoteId }) => `${remoteId} ${filename ?? ""}`.trim()))})`
          ]),
      ...(lost.length === 0
        ? []
        : [`${lost.length} lost${countOf(lost, "repaired")} (${examples(lost.map(({ file }) => file))})`])
    ]
    return { subject, verdict: "warning", detail: parts.join("; ") }
  }),
  lostContent.length === 0
    ? { subject: "stored content", verdict: "ok", detail: "is there for every file" }
    : {
        subject: "stored content",
        verdict: "warning",
        detail:
          `is missing for ${lostContent.length}${countOf(lostContent, "repaired")}${countOf(lostContent, "left")} ` +
          `(${examples(lostContent.map(({ file }) => file))})`
      }
]

interface Outcome {
  readonly text: string
  readonly exitCode: 0 | 1 | 2
}

/** 1: something is amiss. 2: something could not be looked at. */
const exitCodeOf = (
  findings: ReadonlyArray<Doctor.Finding>,
  { accounts, lostContent, lostCopies, orphans }: Audit.Report
): 0 | 1 | 2 => {
  if (findings.some(({ verdict }) => verdict === "failed")) return 1
  if (accounts.some(({ error }) => error !== null)) return 2
  return orphans.length + lostCopies.length + lostContent.length > 0 ? 1 : 0
}

const configured: Doctor.Finding = { subject: "configuration", verdict: "ok", detail: "is valid" }

/** Looks at everything, repairs what it is asked to, and tells. Storage that does not answer is not compared. */
export const examine = Effect.fnUntraced(function* (
  { account, fix, json }: DoctorCommand,
  configuration: Configuration,
  providers: ReadonlyArray<Provider>
): Effect.fn.Return<Outcome, CouldNotLook> {
  if (account !== undefined && !configuration.accounts.some(({ id }) => id === account)) {
    return yield* new CouldNotLook({ message: `There is no account ${account} in the configuration.` })
  }
  const findings = [configured, ...(yield* Doctor.examine(configuration, providers))]
  const isAway = (subject: string) => findings.some((each) => each.subject === subject && each.verdict === "failed")
  const reachable = configuration.accounts.map(({ id }) => id).filter((id) => !isAway(`account ${id}`))
  const nothing: Audit.Report = { accounts: [], orphans: [], lostCopies: [], lostContent: [] }
  const audit =
    isAway("registry") || isAway("content")
      ? nothing
      : yield* Audit.Audit.use(({ run }) =>
          run({ accounts: reachable.filter((id) => account === undefined || id === account), fix })
        ).pipe(
          Effect.provide(layer(configuration, providers)),
          Effect.scoped,
          Effect.mapError(({ message }) => new CouldNotLook({ message: `The registry cannot be compared: ${message}` }))
        )
  const all = audit === nothing ? findings : [...findings, ...findingsOf(audit)]
  return {
    text: json ? `${JSON.stringify({ findings: all, audit }, null, 2)}\n` : Doctor.toText(all),
    exitCode: exitCodeOf(findings, audit)
  }
})
