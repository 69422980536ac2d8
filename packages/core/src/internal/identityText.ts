/**
 * An identity as a line of text that a person can read, for `UnifiedIds.layerPlain`: fields end at `;`, list items and
 * values start after `,`, and `%`, `;`, `,` inside a value are percent-encoded. A field that is null is left out.
 *
 * `omnifile:file;uuid,<uuid>;content_type,<type>;models,<name>,<name>;provider_file_id,<id>;deployment,<id>`
 * `omnifile:batch;uuid,<uuid>;deployment,<id>;provider_id,<id>`
 * `omnifile:part;uuid,<uuid>;upload,<uuid>`
 */
import * as Option from "effect/Option"

import type { Identity, Kind } from "../UnifiedId.ts"
import * as Uuid from "../Uuid.ts"

const escape = (value: string): string => value.replaceAll("%", "%25").replaceAll(";", "%3B").replaceAll(",", "%2C")

const unescape = (value: string): string => value.replaceAll("%2C", ",").replaceAll("%3B", ";").replaceAll("%25", "%")

const field = (name: string, values: ReadonlyArray<string>): string => `;${[name, ...values.map(escape)].join(",")}`

const nullableField = (name: string, value: string | null): string => (value === null ? "" : field(name, [value]))

const fieldsOf = (identity: Identity): string => {
  switch (identity._tag) {
    case "File":
      return (
        field("content_type", [identity.contentType]) +
        field("models", identity.models) +
        nullableField("provider_file_id", identity.providerFileId) +
        nullableField("deployment", identity.deployment)
      )
    case "Upload":
      return ""
    case "Part":
      return field("upload", [identity.upload])
    default:
      return field("deployment", [identity.deployment]) + field("provider_id", [identity.providerId])
  }
}

/** None when the UUID is not in canonical form. */
export const write = (kind: Kind, identity: Identity): Option.Option<string> =>
  Option.isNone(Uuid.toBytes(identity.uuid))
    ? Option.none()
    : Option.some(`omnifile:${kind}${field("uuid", [identity.uuid])}${fieldsOf(identity)}`)

const jobTags = {
  batch: "Batch",
  fine_tuning_job: "FineTuningJob",
  response: "Response",
  container: "Container"
} as const

const parse = (kind: Kind, line: string): Identity => {
  const fields = new Map(
    line.split(";").map((segment) => {
      const [name = "", ...values] = segment.split(",")
      return [name, values.map(unescape)]
    })
  )
  const value = (name: string): string | undefined => fields.get(name)?.[0]
  const uuid = value("uuid") ?? ""
  switch (kind) {
    case "file":
      return {
        _tag: "File",
        uuid,
        contentType: value("content_type") ?? "",
        models: fields.get("models") ?? [],
        providerFileId: value("provider_file_id") ?? null,
        deployment: value("deployment") ?? null
      }
    case "upload":
      return { _tag: "Upload", uuid }
    case "part":
      return { _tag: "Part", uuid, upload: value("upload") ?? "" }
    default:
      return {
        _tag: jobTags[kind],
        uuid,
        deployment: value("deployment") ?? "",
        providerId: value("provider_id") ?? ""
      }
  }
}

/** None for any line that is not, to the letter, what {@link write} writes for this kind. */
export const read = (kind: Kind, line: string): Option.Option<Identity> => {
  const identity = parse(kind, line)
  return Option.filter(Option.some(identity), () => Option.contains(write(kind, identity), line))
}
