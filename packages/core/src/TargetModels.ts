/** The model names that a file is meant for. */
import * as Effect from "effect/Effect"
import { invalid, type InvalidRequest } from "./CallError.ts"
import type { Catalog } from "./Catalog.ts"
import type { Principal } from "./Principal.ts"

/** Refuses names that stand for nothing that the principal may use. */
export const check = (
  catalog: Catalog["Service"],
  principal: Principal,
  models: ReadonlyArray<string>
): Effect.Effect<void, InvalidRequest> => {
  const unknown = models.filter((model) => catalog.deployments(model, principal).length === 0)
  const message = `There is no model of this name that the key may use: ${unknown.join(", ")}.`
  return unknown.length === 0 ? Effect.void : Effect.fail(invalid(message, "target_model_names", "model_not_found"))
}
