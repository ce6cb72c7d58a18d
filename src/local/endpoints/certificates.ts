/**
 * Certificates for a server on the local machine: a certificate authority, and a certificate for
 * loopback that the authority signed.
 *
 * The authority's key is discarded after signing, so that the authority cannot sign anything else.
 * The certificates are stored next to the tables, so that clients still trust the server after a
 * restart.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import {
  createHash,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  randomUUID,
  sign,
  X509Certificate
} from "node:crypto"
import { isIP } from "node:net"
import * as Path from "node:path"
import {
  bitString,
  der,
  integer,
  objectId,
  octetString,
  sequence,
  setOf,
  utcTime,
  utf8,
  yes
} from "./der.ts"
import { makeFolder, makeFoldersIn, replaceSynced } from "../../internal/log/durableFile.ts"
import { isFolder, readPlain } from "../../internal/log/plainFile.ts"
import { type StorageFailure, storageFailure } from "../log/storageErrors.ts"

/**
 * The certificate and key of a server, and the authority that its clients have to trust; all PEM.
 */
export interface ServerCertificates {
  readonly ca: string
  readonly cert: string
  readonly key: Redacted.Redacted<string>
}

const day = 86_400_000
const lifeDays = 365
const ecdsaWithSha256 = sequence(objectId("1.2.840.10045.4.3.2"))

const nameOf = (commonName: string): Buffer =>
  sequence(
    setOf(sequence(objectId("2.5.4.10"), utf8("effect-zerobus local server"))),
    setOf(sequence(objectId("2.5.4.3"), utf8(commonName)))
  )

const extension = (id: string, critical: boolean, value: Uint8Array): Buffer =>
  sequence(objectId(id), ...(critical ? [yes] : []), octetString(value))

const keyIdentifier = (publicKey: Buffer): Buffer =>
  createHash("sha256").update(publicKey).digest().subarray(0, 20)

const addressBytes = (address: string): Buffer => {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number))
  // `URL` converts trailing IPv4 notation into IPv6 groups.
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::")
  const groups = (text: string | undefined) =>
    text === undefined || text === "" ? [] : text.split(":")
  const before = groups(head)
  const after = groups(tail)
  const all = [
    ...before,
    ...Array.from({ length: 8 - before.length - after.length }, () => "0"),
    ...after
  ]
  return Buffer.concat(all.map((group) => Buffer.from(group.padStart(4, "0"), "hex")))
}

const alternativeNames = (hosts: ReadonlyArray<string>): Buffer =>
  sequence(
    ...hosts.map((host) =>
      isIP(host) === 0 ? der(0x82, Buffer.from(host)) : der(0x87, addressBytes(host))
    )
  )

interface Subject {
  readonly commonName: string
  readonly publicKey: Buffer
  readonly extensions: ReadonlyArray<Buffer>
}

const certificate = (
  subject: Subject,
  issuer: { readonly commonName: string; readonly key: KeyObject },
  now: number
): string => {
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x3f) | 0x40
  const body = sequence(
    der(0xa0, integer(Buffer.of(2))),
    integer(serial),
    ecdsaWithSha256,
    nameOf(issuer.commonName),
    sequence(utcTime(now - day), utcTime(now + lifeDays * day)),
    nameOf(subject.commonName),
    subject.publicKey,
    der(0xa3, sequence(...subject.extensions))
  )
  const whole = sequence(body, ecdsaWithSha256, bitString(sign("sha256", body, issuer.key)))
  const lines = whole.toString("base64").match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`
}

const newKey = () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  return { privateKey, publicKey: publicKey.export({ type: "spki", format: "der" }) }
}

/**
 * Creates an authority and a certificate for these host names and addresses, valid for a year from
 * `now` (milliseconds).
 */
export const makeCertificates = (hosts: ReadonlyArray<string>, now: number): ServerCertificates => {
  const authority = newKey()
  const server = newKey()
  const authorityName = `local authority ${randomBytes(4).toString("hex")}`
  const issuer = { commonName: authorityName, key: authority.privateKey }
  const authorityId = keyIdentifier(authority.publicKey)
  const ca = certificate(
    {
      commonName: authorityName,
      publicKey: authority.publicKey,
      extensions: [
        extension("2.5.29.19", true, sequence(yes, integer(Buffer.of(0)))),
        // keyCertSign and cRLSign
        extension("2.5.29.15", true, bitString(Buffer.of(0x06), 1)),
        extension("2.5.29.14", false, octetString(authorityId))
      ]
    },
    issuer,
    now
  )
  const cert = certificate(
    {
      commonName: hosts[0] ?? "localhost",
      publicKey: server.publicKey,
      extensions: [
        extension("2.5.29.19", true, sequence()),
        // digitalSignature
        extension("2.5.29.15", true, bitString(Buffer.of(0x80), 7)),
        // serverAuth
        extension("2.5.29.37", false, sequence(objectId("1.3.6.1.5.5.7.3.1"))),
        extension("2.5.29.17", false, alternativeNames(hosts)),
        extension("2.5.29.14", false, octetString(keyIdentifier(server.publicKey))),
        extension("2.5.29.35", false, sequence(der(0x80, authorityId)))
      ]
    },
    issuer,
    now
  )
  const key = server.privateKey.export({ type: "pkcs8", format: "pem" }).toString()
  return { ca, cert, key: Redacted.make(key, { label: "TLS key" }) }
}

const folderName = ".tls"

/**
 * The certificates of a data folder. Created again when there are none, when they expire within 30
 * days, or when a host is not included.
 */
export const folderCertificates = (
  folder: string,
  hosts: ReadonlyArray<string>,
  now: number
): Effect.Effect<ServerCertificates & { readonly caPath: string }, StorageFailure> =>
  Effect.tryPromise({
    try: async () => {
      const place = Path.join(folder, folderName)
      const caPath = Path.join(place, "ca.pem")
      const kept = await readCertificates(place, hosts, now)
      if (kept !== undefined) return { ...kept, caPath }
      const made = makeCertificates(hosts, now)
      await makeFolder(folder)
      await makeFoldersIn(folder, [folderName])
      const write = (path: string, text: string) =>
        replaceSynced(path, `${path}.${randomUUID()}`, text)
      await write(Path.join(place, "key.pem"), Redacted.value(made.key))
      await write(Path.join(place, "cert.pem"), made.cert)
      await write(caPath, made.ca)
      return { ...made, caPath }
    },
    catch: (error) => storageFailure(error, "reading the server's certificates", folder)
  })

const readCertificates = async (
  place: string,
  hosts: ReadonlyArray<string>,
  now: number
): Promise<ServerCertificates | undefined> => {
  if (!(await isFolder(place))) return undefined
  const files = ["ca.pem", "cert.pem", "key.pem"].map(async (name) =>
    (await readPlain(Path.join(place, name))).toString()
  )
  const [ca, cert, key] = await Promise.all(files).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return []
    throw error
  })
  if (ca === undefined || cert === undefined || key === undefined) return undefined
  try {
    const parsed = new X509Certificate(cert)
    const names = hosts.every((host) =>
      isIP(host) === 0 ? parsed.checkHost(host) !== undefined : parsed.checkIP(host) !== undefined
    )
    return names && Date.parse(parsed.validTo) > now + 30 * day
      ? { ca, cert, key: Redacted.make(key, { label: "TLS key" }) }
      : undefined
  } catch {
    // The file is not a valid certificate; new ones replace it.
    return undefined
  }
}
