import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import { createHmac } from "node:crypto"
import * as WebhookSignature from "../src/WebhookSignature.ts"

const delivery = { id: "evt_1", at: 1_700_000_000_999, body: '{"type":"file.created","text":"Grüße"}' }

describe("a webhook's signature", () => {
  it("is the example of Standard Webhooks", () => {
    // https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    const headers = WebhookSignature.headers([Redacted.make(secret)], {
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
      at: 1_614_265_330_000,
      body: '{"test": 2432232314}'
    })
    assert.deepStrictEqual(headers, {
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    })
  })

  it("is one for each secret, of whole seconds, over UTF-8", () => {
    const secrets = ["not base64 at all", `whsec_${Buffer.from("old").toString("base64")}`]
    const headers = WebhookSignature.headers(
      secrets.map((secret) => Redacted.make(secret)),
      delivery
    )
    const expected = ["not base64 at all", "old"].map((key) => {
      const digest = createHmac("sha256", key).update(`evt_1.1700000000.${delivery.body}`).digest("base64")
      return `v1,${digest}`
    })
    assert.strictEqual(headers["webhook-timestamp"], "1700000000")
    assert.strictEqual(headers["webhook-signature"], expected.join(" "))
  })
})
