/**
 * The failure of a command whose environment lacks a setting.
 */
import { type CommandFailed, failed } from "./CommandFailed.ts"

/** The failure for a setting that is missing or invalid. The value is not repeated. */
export const missingSetting = (error: { readonly message: string }): CommandFailed => {
  // The error gives the path as `at ["ZEROBUS"]["FLUSH_TIMEOUT"]`.
  const names = [...error.message.matchAll(/\bat ((?:\["[A-Z][A-Z0-9_]*"\])+)/g)].map(
    ([, path = ""]) => path.slice(2, -2).replaceAll('"]["', "_")
  )
  return failed(
    `${names.length === 0 ? "A setting" : [...new Set(names)].join(", ")} is not set, or its ` +
      `value cannot be used. The environment needs ` +
      "ZEROBUS_SERVER_ENDPOINT, DATABRICKS_WORKSPACE_URL, DATABRICKS_CLIENT_ID and " +
      "DATABRICKS_CLIENT_SECRET (or DATABRICKS_OIDC_TOKEN_FILEPATH in place of the secret); " +
      "`zerobus local` prints them for a local server."
  )
}
