/**
 * The environment variables for a client of a local server.
 */
import type { ZerobusLocalShape } from "./ZerobusLocal.ts"

/** The variable of the client secret. */
export const secretVariable = "DATABRICKS_CLIENT_SECRET"

/** The variables without the secret, by name. */
export const clientVariables = ({
  clientId,
  serverEndpoint,
  tls,
  workspaceUrl
}: Pick<ZerobusLocalShape, "clientId" | "serverEndpoint" | "tls" | "workspaceUrl">): Record<
  string,
  string
> => ({
  ZEROBUS_SERVER_ENDPOINT: serverEndpoint,
  DATABRICKS_WORKSPACE_URL: workspaceUrl,
  DATABRICKS_CLIENT_ID: clientId,
  ...(tls?.caPath === undefined ? {} : { NODE_EXTRA_CA_CERTS: tls.caPath })
})
