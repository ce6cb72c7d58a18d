/**
 * Loaded with Node's `--import`: replaces the client's module that reports metrics with
 * `switchedTelemetry.ts`.
 */
import { registerHooks } from "node:module"

const telemetry = /\/src\/internal\/telemetry\.ts$/
const switched = new URL("./switchedTelemetry.ts", import.meta.url).href

registerHooks({
  resolve: (specifier, context, next) => {
    const result = next(specifier, context)
    return telemetry.test(result.url) && context.parentURL !== switched
      ? { ...result, url: switched }
      : result
  }
})
