/**
 * Delivers events to the installation's webhooks, at least once each. They stand in the outbox since the commit of
 * what they tell; so whoever dies between, the next instance finds them.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Semaphore from "effect/Semaphore"
import { type Event, OutboxRecord } from "./Event.ts"
import { parseRetryAfter } from "./FailedAnswer.ts"
import { header, HttpTransport, type TransportResponse } from "./HttpTransport.ts"
import { Instance } from "./Instance.ts"
import type { Versioned } from "./Records.ts"
import { Registry } from "./Registry.ts"
import { instant } from "./RegistryIndexes.ts"
import { Settings, type Webhook } from "./Settings.ts"
import { hexOfText, Sha256 } from "./Sha256.ts"
import { isConflict, type StorageError } from "./StorageError.ts"
import * as WebhookSchedule from "./WebhookSchedule.ts"
import * as WebhookSignature from "./WebhookSignature.ts"

export class Webhooks extends Context.Service<
  Webhooks,
  {
    /** One round over all that is due now and not in work already. */
    readonly round: Effect.Effect<void, StorageError>
  }
>()("@omnifile/core/Webhooks") {}

/** Events taken in one round; the rest is due in the next. */
const batch = 500
const concurrency = 32

/** How long one try may take, and how long its event is left to it. In milliseconds. */
const patience = 20_000
const claim = 60_000

type Outcome =
  | { readonly _tag: "Taken" }
  /** The receiver wants no more of these: 410. */
  | { readonly _tag: "Unwanted" }
  | { readonly _tag: "Failed"; readonly why: string; readonly retryAfter: number | null }

/** What a webhook is sent, in the shape of OpenAI's. */
const bodyOf = ({ createdAt, data, id, owner, type }: Event): string =>
  JSON.stringify({
    object: "event",
    id,
    type,
    created_at: Math.floor(createdAt / 1000),
    data,
    owner: { user: owner.user, team: owner.team }
  })

/** Types are named in full, or by their beginning, as in `file.*`. */
const subscribes = ({ events }: Webhook, type: string): boolean =>
  events.length === 0 ||
  events.some((name) => name === type || (name.endsWith(".*") && type.startsWith(name.slice(0, -1))))

const outcomeOf = (response: TransportResponse, now: number): Outcome => {
  const { status } = response
  if (status >= 200 && status < 300) return { _tag: "Taken" }
  if (status === 410) return { _tag: "Unwanted" }
  const retryAfter = parseRetryAfter(header(response, "retry-after"), now)
  return { _tag: "Failed", why: `answered ${status}`, retryAfter }
}

const make = Effect.gen(function* () {
  const instance = yield* Instance
  const registry = yield* Registry
  const transport = yield* HttpTransport
  const { events, maintenanceInterval } = yield* Settings
  const sha256 = yield* Sha256
  /** Addresses may hold secrets: what is stored of one is its digest. */
  const webhooks = events.webhooks.map((webhook) => ({ ...webhook, name: hexOfText(sha256, webhook.url) }))
  const { outbox } = registry
  const scope = yield* Effect.scope
  const permits = yield* Semaphore.make(concurrency)
  const busy = new Set<string>()

  const send = Effect.fnUntraced(function* (webhook: Webhook, event: Event) {
    const at = yield* Clock.currentTimeMillis
    const body = bodyOf(event)
    const signature = WebhookSignature.headers([webhook.secret], { id: event.id, at, body })
    const response = yield* transport.send({
      method: "POST",
      url: new URL(webhook.url).href,
      headers: { "content-type": "application/json", "user-agent": "omnifile", ...signature },
      body: new TextEncoder().encode(body),
      connectTimeout: patience,
      headersTimeout: patience,
      idleTimeout: patience
    })
    response.cancel()
    return outcomeOf(response, yield* Clock.currentTimeMillis)
  })

  const tryWebhook = (webhook: Webhook, event: Event): Effect.Effect<Outcome> =>
    send(webhook, event).pipe(
      Effect.timeoutOrElse({
        duration: Duration.millis(patience),
        orElse: () => Effect.succeed<Outcome>({ _tag: "Failed", why: "did not answer in time", retryAfter: null })
      }),
      Effect.catch(() => Effect.succeed<Outcome>({ _tag: "Failed", why: "could not be reached", retryAfter: null }))
    )

  /** Takes the event upon this instance; undefined if another one was first. */
  const take = Effect.fnUntraced(function* ({ value, version }: Versioned<OutboxRecord>) {
    const now = yield* Clock.currentTimeMillis
    const taken = new OutboxRecord({
      ...value,
      instance: instance.id,
      attempts: value.attempts + 1,
      dueAt: now + claim
    })
    return yield* registry.commit([outbox.change(version, taken)]).pipe(
      Effect.as<Versioned<OutboxRecord> | undefined>({ value: taken, version: version + 1 }),
      Effect.catchIf(isConflict, () => Effect.succeed(undefined))
    )
  })

  /** What is left to do after a try: undefined if nothing is. */
  const remaining = Effect.fnUntraced(function* (
    { attempts, delivered, event, key }: OutboxRecord,
    outcomes: ReadonlyArray<readonly [name: string, outcome: Outcome]>
  ) {
    const failed = outcomes.flatMap(([, outcome]) => (outcome._tag === "Failed" ? [outcome] : []))
    if (failed.length === 0) return undefined
    const now = yield* Clock.currentTimeMillis
    const asked = failed.map(({ retryAfter }) => retryAfter ?? 0)
    const retryAfter = Math.max(...asked)
    const jitter = yield* Random.next
    const dueAt = WebhookSchedule.next({ createdAt: event.createdAt, attempts, retryAfter, jitter }, now)
    const why = [...new Set(failed.map((failure) => failure.why))].join(", ")
    yield* Effect.logWarning(
      dueAt === null ? "An event is given up: a webhook has not taken it" : "A webhook has not taken an event"
    ).pipe(Effect.annotateLogs({ event: event.id, type: event.type, why, attempts }))
    if (dueAt === null) return undefined
    const done = outcomes.flatMap(([name, { _tag }]) => (_tag === "Failed" ? [] : [name]))
    return new OutboxRecord({ key, event, attempts, dueAt, instance: null, delivered: [...delivered, ...done] })
  })

  const deliver = Effect.fnUntraced(function* (found: Versioned<OutboxRecord>) {
    const taken = yield* take(found)
    if (taken === undefined) return
    const { value, version } = taken
    const open = webhooks.filter((hook) => subscribes(hook, value.event.type) && !value.delivered.includes(hook.name))
    const outcomes = yield* Effect.forEach(
      open,
      (webhook) => Effect.map(tryWebhook(webhook, value.event), (outcome) => [webhook.name, outcome] as const),
      { concurrency: "unbounded" }
    )
    const rest = yield* remaining(value, outcomes)
    const change = rest === undefined ? outbox.removal(version, value.key) : outbox.change(version, rest)
    // Who took it over meanwhile, because this took so long, has it in hand now.
    yield* Effect.catchIf(registry.commit([change]), isConflict, () => Effect.void)
  })

  const attend = (found: Versioned<OutboxRecord>) =>
    deliver(found).pipe(
      Semaphore.withPermit(permits),
      Effect.catchCause((cause) => Effect.logWarning("An event could not be delivered", cause)),
      Effect.ensuring(Effect.sync(() => busy.delete(found.value.key)))
    )

  /** Begins all that is due and not in work yet, so that a slow receiver holds up nothing but its own. */
  const begin = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const due = yield* outbox.scanUnderstood({
      index: "due",
      partitions: ["all"],
      order: "asc",
      until: instant(now),
      limit: batch
    })
    const idle = due.filter(({ value }) => !busy.has(value.key))
    for (const { value } of idle) busy.add(value.key)
    return yield* Effect.forEach(idle, (found) => Effect.forkIn(attend(found), scope))
  })

  if (webhooks.length > 0) {
    yield* Effect.forever(
      begin.pipe(
        Effect.catchCause((cause) => Effect.logWarning("A round of deliveries failed", cause)),
        Effect.andThen(Effect.sleep(Duration.millis(maintenanceInterval)))
      )
    ).pipe(Effect.forkScoped)
  }

  return Webhooks.of({ round: Effect.flatMap(begin, (begun) => Effect.asVoid(Fiber.awaitAll(begun))) })
})

export const layer: Layer.Layer<Webhooks, never, HttpTransport | Instance | Registry | Sha256> = Layer.effect(
  Webhooks,
  make
)
