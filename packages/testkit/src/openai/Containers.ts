/**
 * The containers in which the emulated code interpreter works, and the files that it leaves there.
 */
import type { Account } from "./Account.ts"
import * as Accounts from "./Account.ts"
import * as Answer from "./Answer.ts"
import { ApiError } from "./Answer.ts"
import { newId } from "./Ids.ts"
import type { Exchange } from "./Http.ts"
import { bodiless } from "./Receiving.ts"
import type { Route } from "./Route.ts"

export interface ContainerFile {
  readonly id: string
  readonly container: string
  readonly filename: string
  readonly content: Uint8Array
  /** Unix seconds. */
  readonly createdAt: number
}

export interface Container {
  readonly id: string
  readonly files: Map<string, ContainerFile>
}

const containers: Accounts.StateKey<Map<string, Container>> = { symbol: Symbol("containers"), make: () => new Map() }

const containersOf = (account: Account): Map<string, Container> => Accounts.of(account, containers)

export const createContainer = (account: Account): Container => {
  const container: Container = { id: newId("cntr_"), files: new Map() }
  containersOf(account).set(container.id, container)
  return container
}

/** The container of that ID, or OpenAI's refusal. */
export const requireContainer = (account: Account, id: string, param: string | undefined): Container => {
  const container = containersOf(account).get(id)
  if (container !== undefined) return container
  const message = `Container with id '${id}' not found.`
  throw param === undefined ? new ApiError(404, message) : new ApiError(400, message, { param })
}

export const addFile = (container: Container, file: Omit<ContainerFile, "id" | "container">): ContainerFile => {
  const added: ContainerFile = { ...file, id: newId("cfile_"), container: container.id }
  container.files.set(added.id, added)
  return added
}

const fileOf = ({ account, params }: Exchange): ContainerFile => {
  const container = requireContainer(account, params["id"] ?? "", undefined)
  const id = params["file"] ?? ""
  const file = container.files.get(id)
  if (file === undefined) throw new ApiError(404, `Container file with id '${id}' not found.`)
  return file
}

const retrieve: Route = {
  name: "containers.files.retrieve",
  method: "GET",
  path: "/v1/containers/:id/files/:file",
  receive: bodiless((exchange) => {
    const { container, content, createdAt, filename, id } = fileOf(exchange)
    return Answer.json(200, {
      id,
      object: "container.file",
      bytes: content.byteLength,
      container_id: container,
      created_at: createdAt,
      path: `/mnt/data/${filename}`,
      source: "assistant"
    })
  })
}

const content: Route = {
  name: "containers.files.content",
  method: "GET",
  path: "/v1/containers/:id/files/:file/content",
  receive: bodiless((exchange) =>
    Answer.bytes(200, { "content-type": "application/octet-stream" }, fileOf(exchange).content)
  )
}

export const routes: ReadonlyArray<Route> = [retrieve, content]
