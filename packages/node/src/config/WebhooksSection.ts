/** The section `webhooks` of a configuration: where events are sent. */
import { eventTypes } from "@omnifile/core/Event"
import type { EventSettings } from "@omnifile/core/Settings"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Field from "./Field.ts"

/** An address that may have a secret in its path or query. */
const url: Field.Field<string> = Field.fromSecretText((text) => {
  const address = URL.parse(text)
  if (address === null || (address.protocol !== "https:" && address.protocol !== "http:")) {
    return Result.fail("must be an http or https URL")
  }
  return address.username === "" && address.password === ""
    ? Result.succeed(address.href)
    : Result.fail("must not hold a user or a password")
})

/** All events of a kind, beside each by its name. */
const families = ["file.*", "replica.*", "batch.*", "fine_tuning.job.*"]

export const Webhooks = Schema.Array(
  Schema.Struct({
    url,
    secret: Field.secret,
    events: Schema.optional(Schema.Array(Field.knownName([...eventTypes, ...families], "an event")))
  })
)

export const toSettings = (webhooks: (typeof Webhooks)["Type"]): EventSettings => ({
  outbox: webhooks.length > 0,
  webhooks: webhooks.map(({ events = [], secret, url }) => ({ url, secret, events }))
})
