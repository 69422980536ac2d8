/** What a host promises of uploads in parts. Nothing yet. */
import type { RunningHost } from "./RunningHost.ts"

export const register = (_host: () => RunningHost): void => {}
