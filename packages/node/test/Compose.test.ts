/** docker-compose.yml, as far as that can be looked at without Docker: what it says fits together. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { parse } from "yaml"
import * as Configuration from "../src/config/Configuration.ts"

const root = path.resolve(import.meta.dirname, "../../..")

interface Service {
  readonly image: string
  readonly build?: string
  readonly command?: ReadonlyArray<string>
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes?: ReadonlyArray<string>
  readonly secrets?: ReadonlyArray<string>
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: unknown
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
  readonly secrets: Readonly<Record<string, { readonly environment: string }>>
}

/** What a person has to give. */
const given: Readonly<Record<string, string>> = {
  OPENAI_API_KEY: "sk-of-the-account",
  OMNIFILE_SECRET: "0123456789abcdef0123456789abcdef",
  OMNIFILE_KEY: "sk-of-a-client",
  OMNIFILE_ADMIN_KEY: "sk-of-an-admin"
}

/** `${NAME:?what it is}` and `${NAME:-default}`, as Compose reads them. */
const interpolate = (text: string): string =>
  text.replace(/\$\{(\w+):([?-])([^}]*)\}/g, (_, name: string, operator: string, rest: string) => {
    const value = given[name] ?? (operator === "-" ? rest : undefined)
    assert.isDefined(value, `${name} has no value`)
    return value ?? ""
  })

const read = (file: string): string => readFileSync(path.join(root, file), "utf8")
const compose = parse(interpolate(read("docker-compose.yml")), { merge: true }) as Compose
const { services } = compose
const gateways = Object.entries(services).filter(([, { build }]) => build !== undefined)

describe("docker-compose.yml", () => {
  it("names only services, volumes, secrets and files that there are", () => {
    for (const [name, { depends_on = {}, secrets = [], volumes = [] }] of Object.entries(services)) {
      for (const [needed, { condition }] of Object.entries(depends_on)) {
        assert.isDefined(services[needed], `${name} needs ${needed}`)
        if (condition === "service_healthy") assert.isDefined(services[needed]?.healthcheck, needed)
      }
      for (const secret of secrets) assert.property(given, compose.secrets[secret]?.environment ?? "", secret)
      for (const volume of volumes) {
        const [source = ""] = volume.split(":")
        if (source.startsWith("./")) assert.isTrue(existsSync(path.join(root, source)), source)
        else assert.property(compose.volumes, source)
      }
    }
    assert.isTrue(existsSync(path.join(root, "Dockerfile")))
  })

  it.effect("gives two gateways a configuration that they can read, and that names its services", () =>
    Effect.gen(function* () {
      assert.strictEqual(gateways.length, 2)
      for (const [, { command, environment = {}, volumes }] of gateways) {
        const [, file = ""] = command ?? []
        const mounted = volumes?.map((volume) => volume.split(":")).find(([, target]) => target === file)
        const configuration = yield* Configuration.parse(read(mounted?.[0] ?? ""), {
          file,
          cwd: "/srv/omnifile",
          env: environment,
          providers: ["openai"]
        })
        const { limits, storage } = configuration
        assert.ok(
          storage.registry._tag === "Postgres" && storage.content._tag === "S3" && limits?.store?._tag === "Redis"
        )
        const registry = new URL(Redacted.value(storage.registry.url))
        const urls = [registry, new URL(Redacted.value(limits.store.url)), new URL(storage.s3?.endpoint ?? "")]
        for (const { hostname } of urls) assert.property(services, hostname)
        const postgres = services[registry.hostname]?.environment ?? {}
        assert.deepStrictEqual(
          [registry.username, registry.password, registry.pathname.slice(1)],
          [postgres["POSTGRES_USER"], postgres["POSTGRES_PASSWORD"], postgres["POSTGRES_DB"]]
        )
        const s3 = services["s3"]?.environment ?? {}
        const credentials = storage.s3?.credentials
        assert.strictEqual(credentials?.accessKeyId, s3["MINIO_ROOT_USER"])
        assert.strictEqual(credentials && Redacted.value(credentials.secretAccessKey), s3["MINIO_ROOT_PASSWORD"])
        assert.include(String(services["bucket"]?.command), `local/${storage.content.bucket}`)
        assert.isNotNull(configuration.secret.current)
      }
    })
  )

  it("has both gateways watched, with the key of an admin", () => {
    const { scrape_configs } = parse(read("docker/prometheus.yml")) as {
      readonly scrape_configs: ReadonlyArray<{
        readonly authorization: { readonly credentials_file: string }
        readonly static_configs: ReadonlyArray<{ readonly targets: ReadonlyArray<string> }>
      }>
    }
    const [job] = scrape_configs
    assert.deepStrictEqual(
      job?.static_configs.flatMap(({ targets }) => targets),
      gateways.map(([name]) => `${name}:4000`)
    )
    const [secret = ""] = services["prometheus"]?.secrets ?? []
    assert.strictEqual(job?.authorization.credentials_file, `/run/secrets/${secret}`)
    assert.strictEqual(compose.secrets[secret]?.environment, "OMNIFILE_ADMIN_KEY")
  })

  it("is built with the pnpm of the workspace", () => {
    const { packageManager } = JSON.parse(read("package.json")) as { readonly packageManager: string }
    assert.include(read("Dockerfile"), `npm install --global ${packageManager}\n`)
  })
})
