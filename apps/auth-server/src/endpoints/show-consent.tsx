/** Puts together what the consent page shows. */
import { formatUsd } from '@behalf/protocol'
import type { Context } from 'hono'
import type { Child } from 'hono/jsx'
import type { Asked } from '../authorization/agreement.js'
import { clientPages, imagesOf } from '../authorization/client-pages.js'
import {
  canDelegate,
  type Faults,
  type LimitFields,
  offeredLimits,
} from '../authorization/consent-limits.js'
import { eligibleTenants, impliedTenant } from '../authorization/interaction.js'
import { isLoopbackRedirect, redirectHost, redirectOrigin } from '../authorization/redirect-uri.js'
import type { AuthorizationRequest } from '../authorization/request.js'
import { readBalance } from '../budgets/show-budget.js'
import type { Deps } from '../deps.js'
import type { Env } from '../middleware/env.js'
import { issueFormToken } from '../middleware/form-token.js'
import type { PersonSession } from '../people/person.js'
import { type Consent, consentBudget } from '../store/consents.js'
import { answerPage } from '../views/answer-page.js'
import { ConsentPage, type ConsentTarget, Destination } from '../views/consent.js'
import { basePath } from './page-paths.js'

export interface Question {
  request: Asked
  session: PersonSession
  /** Where the answer is posted. */
  action: string
  /** What names the request there: of one that waits, its secret; of a device, its code. */
  hidden: readonly [name: string, value: string]
  /** Who asks: what can be said of them beside the name that they gave themselves. */
  about: Child
  /** What was sent, and what is wrong with it. */
  again?: { fields: LimitFields; faults: Faults; tenantId: string | undefined } | undefined
}

const targetsOf = async ({ granted }: Asked, deps: Deps): Promise<ConsentTarget[]> => {
  const names = Object.keys(granted)
  const resources = await deps.store.resources.findMany(names)
  const words = new Map(resources.map((one) => [one.resource, one.scope_descriptions]))
  return names.map((name) => ({
    resource: name === deps.issuer ? undefined : name,
    scopes: (granted[name] ?? []).map((word) => ({ word, description: words.get(name)?.[word] })),
  }))
}

const spentSoFar = async (live: Consent | undefined, deps: Deps): Promise<string | undefined> =>
  live && (await readBalance([consentBudget(live.id)], deps)).spent_usd

/** What was agreed before, where it is clear as a member of what. */
const findLive = async ({ request, session }: Question, deps: Deps) => {
  const implied = impliedTenant(eligibleTenants(request, session), session)
  const { client_id } = request.client
  const { sub } = session.person
  return implied && deps.store.consents.findLive(sub, client_id, implied.tenantId, deps.now())
}

/** The question, on whichever page it is asked. */
export const consentPage = async (
  c: Context<Env>,
  question: Question,
  deps: Deps,
): Promise<Child> => {
  const { request, session, again } = question
  const { client } = request
  const live = await findLive(question, deps)
  const eligible = eligibleTenants(request, session)
  const isAgent = client.kind === 'agent'
  const most = client.agent_limits.costBudget
  return (
    <ConsentPage
      action={question.action}
      token={issueFormToken(c, deps.issuer, session.id)}
      hidden={question.hidden}
      isAgent={isAgent}
      clientName={client.client_name ?? client.client_id}
      pages={clientPages(client)}
      about={question.about}
      email={session.person.email}
      targets={await targetsOf(request, deps)}
      organizations={session.memberships.filter(({ tenant_id }) => eligible.includes(tenant_id))}
      chosen={again?.tenantId ?? impliedTenant(eligible, session)?.tenantId}
      limits={isAgent ? (again?.fields ?? offeredLimits(client, live)) : undefined}
      faults={again?.faults ?? {}}
      mostUsd={most === undefined ? undefined : formatUsd(most)}
      spentUsd={isAgent ? await spentSoFar(live, deps) : undefined}
      canDelegate={canDelegate(client)}
    />
  )
}

export interface WaitingQuestion extends Pick<Question, 'session' | 'again'> {
  request: AuthorizationRequest
  /** Of the request that waits. */
  secret: string
}

export const showConsent = async (
  c: Context<Env>,
  { request, session, secret, again }: WaitingQuestion,
  deps: Deps,
): Promise<Response> => {
  const { redirectUri, client } = request
  const isDocument = client.registered_by === 'metadata_document'
  const question: Question = {
    ...{ request, session, again },
    action: `${basePath(deps)}/consent`,
    hidden: ['request', secret],
    about: (
      <Destination
        host={redirectHost(redirectUri)}
        isLoopback={isLoopbackRedirect(redirectUri)}
        describedAt={isDocument ? new URL(client.client_id).host : undefined}
      />
    ),
  }
  const status = again ? 400 : 200
  const page = await consentPage(c, question, deps)
  const formTargets = [redirectOrigin(redirectUri)]
  return answerPage(c, page, { status, formTargets, images: imagesOf(client) })
}
