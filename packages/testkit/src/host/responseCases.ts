/** What a host promises of responses and messages. Nothing yet. */
import type { RunningHost } from "./RunningHost.ts"

export const register = (_host: () => RunningHost): void => {}
