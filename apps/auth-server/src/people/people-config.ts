/** The section `people` of the configuration: who may sign up, and how people sign in. */
import { isSecureUrl, tenantId } from '@behalf/protocol'
import { z } from 'zod'
import { type Environment, readSecret, secret } from '../config-secret.js'
import { isReservedClaim } from './reserved-claims.js'

const secureUrl = z.string().refine(isSecureUrl, 'must be https, or http on loopback')

/**
 * In base64url 5.5 KB, so that a token with all that it says otherwise stays below 8 KB: where many
 * proxies and servers cut a header off.
 */
const defaultClaimsBytes = 4096
/** With 4 KB for the rest, a token of 16,384 characters: no verifier of ours reads a longer one. */
const mostClaimsBytes = 8192

/**
 * Of a person or of an organization, as many as one likes, short (`plan`) or with a namespace
 * (`https://acme.test/plan`). How much they may be together is checked when all is read.
 */
export const customClaims = z
  .record(z.string().min(1).max(200), z.json())
  .superRefine((claims, context) => {
    for (const name of Object.keys(claims).filter(isReservedClaim)) {
      const message = 'is a claim with a meaning of its own: take another name'
      context.addIssue({ code: 'custom', path: [name], message })
    }
  })

export const socialProviders = [
  ...(['apple', 'discord', 'facebook', 'github', 'gitlab', 'google', 'linkedin'] as const),
  ...(['microsoft', 'slack', 'twitter'] as const),
] as const

const credentials = { client_id: z.string().min(1), client_secret: secret }

const providerId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,49}$/, 'must be small letters, digits and dashes')

const oidcProvider = z.strictObject({
  provider_id: providerId,
  /** On the button. */
  name: z.string().min(1).max(50).optional(),
  /** Ends in `/.well-known/openid-configuration`. */
  discovery_url: secureUrl,
  client_id: z.string().min(1),
  client_secret: secret.optional(),
  scope: z.string().optional(),
})

const noSaml =
  'must be "oidc": SAML is not spoken here. Take the OpenID side of the provider, or a bridge (docs/decisions/0021)'

/** The identity provider of one organization: who signs in there is a member here. */
const ssoProvider = z.strictObject({
  provider_id: providerId,
  protocol: z.literal('oidc', { error: noSaml }).default('oidc'),
  tenant_id: tenantId,
  /** Of the e-mail addresses that sign in there. */
  domain: z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'must be a domain such as acme.test'),
  issuer: secureUrl,
  discovery_url: secureUrl.optional(),
  ...credentials,
})

const mail = z.strictObject({
  /** Gets every letter as JSON: `to`, `subject`, `text`, `link`. */
  webhook_url: secureUrl,
  webhook_secret: secret.optional(),
})

const breachedPasswords = z.strictObject({
  enabled: z.boolean().default(true),
  url: secureUrl.default('https://api.pwnedpasswords.com'),
  when_unreachable: z.enum(['allow', 'refuse']).default('allow'),
})

const maxLifetimeHours = 24 * 365

export const peopleConfig = z.strictObject({
  /**
   * Besides `users` of this file and people of an organization's identity provider: anybody, whoever has
   * the letter of an invitation, or nobody.
   */
  sign_up: z.enum(['open', 'invited', 'closed']).default('invited'),
  /** Whoever signs up becomes a member of it. */
  default_tenant_id: tenantId.optional(),
  /** Of the custom claims of a person and of one organization together, as JSON in UTF-8. */
  max_claims_bytes: z.int().min(0).max(mostClaimsBytes).default(defaultClaimsBytes),
  require_verified_email: z.boolean().default(true),
  session_lifetime_hours: z.int().min(1).max(maxLifetimeHours).default(168),
  breached_passwords: breachedPasswords.prefault({}),
  /** A header of the proxy in front that holds the caller's address, for limits on sign-in. */
  address_header: z
    .string()
    .regex(/^[A-Za-z0-9-]+$/)
    .optional(),
  mail: mail.optional(),
  social: z.partialRecord(z.enum(socialProviders), z.strictObject(credentials)).default({}),
  oidc: z.array(oidcProvider).default([]),
  sso: z.array(ssoProvider).default([]),
})

export type PeopleConfig = z.output<typeof peopleConfig>

/** The same with every secret looked up. @throws ConfigError */
export const readPeopleSecrets = (config: PeopleConfig, env: Environment): PeopleConfig => {
  const look = (value: z.output<typeof secret>, path: string): string =>
    readSecret(value, `people.${path}.client_secret`, env) ?? ''
  const social = Object.entries(config.social).map(([name, one]) => [
    name,
    { ...one, client_secret: look(one.client_secret, `social.${name}`) },
  ])
  return {
    ...config,
    social: Object.fromEntries(social),
    oidc: config.oidc.map((one, index) =>
      one.client_secret
        ? { ...one, client_secret: look(one.client_secret, `oidc[${index}]`) }
        : one,
    ),
    sso: config.sso.map((one, index) => ({
      ...one,
      client_secret: look(one.client_secret, `sso[${index}]`),
    })),
    mail: config.mail && {
      ...config.mail,
      webhook_secret: readSecret(config.mail.webhook_secret, 'people.mail.webhook_secret', env),
    },
  }
}
