/** What a host promises of usage. Nothing yet. */
import type { RunningHost } from "./RunningHost.ts"

export const register = (_host: () => RunningHost): void => {}
