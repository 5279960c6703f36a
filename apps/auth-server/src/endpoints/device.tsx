/** The page where a person lets a device in. RFC 8628 §3.3. */
import { OAuthError } from '@behalf/protocol'
import type { Context, Handler } from 'hono'
import {
  type Answered,
  agree,
  chosenLimits,
  chosenTenant,
  malformedConsent,
} from '../authorization/agreement.js'
import { imagesOf } from '../authorization/client-pages.js'
import { readLimitFields } from '../authorization/consent-limits.js'
import { eligibleTenants, notAMember } from '../authorization/interaction.js'
import type { Deps } from '../deps.js'
import { type AskedByDevice, askedByDevice } from '../device/device-request.js'
import { countGuess, forgiveGuess, type Guesser } from '../device/guesses.js'
import { letIn } from '../device/let-in.js'
import { formatUserCode, readUserCode } from '../device/user-code.js'
import type { Env } from '../middleware/env.js'
import { checkFormToken, issueFormToken } from '../middleware/form-token.js'
import { remoteAddress } from '../middleware/remote-address.js'
import type { PersonSession } from '../people/person.js'
import { hashSecret } from '../secrets.js'
import type { DeviceCode } from '../store/device-codes.js'
import { answerPage } from '../views/answer-page.js'
import { DeviceCodePage, DeviceDonePage, DeviceWarning } from '../views/device.js'
import { texts } from '../views/texts.js'
import { basePath, seeOther, signInPath } from './page-paths.js'
import { consentPage, type Question } from './show-consent.js'

type PageContext = Context<Env>

/** A code that has been typed in, and who typed it. */
interface Typed {
  userCode: string
  session: PersonSession
}

const lookerOf = ({ session }: Typed) => ({
  sessionId: session.id,
  subject: session.person.sub,
})

const toSignIn = (c: PageContext, userCode: string | undefined, deps: Deps): Response => {
  const query = userCode === undefined ? '' : `?user_code=${formatUserCode(userCode)}`
  const returnTo = `${basePath(deps)}/device${query}`
  return seeOther(c, signInPath(returnTo, { again: false }, deps))
}

const askForCode = (
  c: PageContext,
  session: PersonSession,
  { typed, fault }: { typed: string | undefined; fault?: string },
  deps: Deps,
): Response => {
  const page = (
    <DeviceCodePage
      token={issueFormToken(c, deps.issuer, session.id)}
      action={`${basePath(deps)}/device`}
      email={session.person.email}
      userCode={typed}
      fault={fault}
    />
  )
  return answerPage(c, page, { status: fault === undefined ? 200 : 400 })
}

const over = (): OAuthError =>
  new OAuthError('invalid_request', { description: texts.device.over, reason: 'device_code_over' })

/** Who asks, for what, with which limits; and the code again, to be compared. */
const question = async (
  c: PageContext,
  { userCode, session }: Typed,
  asked: AskedByDevice,
  part: Pick<Question, 'again'>,
  deps: Deps,
): Promise<Response> => {
  if (eligibleTenants(asked, session).length === 0) throw notAMember()
  const page = await consentPage(
    c,
    {
      ...part,
      request: asked,
      session,
      action: `${basePath(deps)}/device`,
      hidden: ['user_code', userCode],
      about: <DeviceWarning userCode={formatUserCode(userCode)} />,
    },
    deps,
  )
  const status = part.again ? 400 : 200
  return answerPage(c, page, { status, images: imagesOf(asked.client) })
}

/** Binds the code to this session, which from then on is the only one that can answer. */
const look = async (c: PageContext, typed: Typed, deps: Deps): Promise<Response> => {
  const { userCode, session } = typed
  const guesser: Guesser = {
    subject: session.person.sub,
    address: remoteAddress(c, deps.signIn.config),
  }
  await countGuess(guesser, deps)
  const by = lookerOf(typed)
  const code = await deps.store.deviceCodes.look(hashSecret(userCode), by, deps.now())
  const asked = code && (await askedByDevice(code, deps))
  if (!asked) {
    const fault = texts.device.unknown
    return askForCode(c, session, { typed: formatUserCode(userCode), fault }, deps)
  }
  await forgiveGuess(guesser, deps)
  return question(c, typed, asked, {}, deps)
}

const decide = async (typed: Typed, approved: boolean, deps: Deps): Promise<DeviceCode> => {
  const { store, now } = deps
  const hash = hashSecret(typed.userCode)
  const code = await store.deviceCodes.decide(hash, lookerOf(typed), approved, now())
  if (!code) throw over()
  return code
}

const allow = async (c: PageContext, typed: Typed, deps: Deps): Promise<Response> => {
  const { session, userCode } = typed
  const { form } = c.var
  const by = lookerOf(typed)
  const code = await deps.store.deviceCodes.lookedAt(hashSecret(userCode), by, deps.now())
  const asked = code && (await askedByDevice(code, deps))
  if (!asked) throw over()
  const answered: Answered = { request: asked, session, form }
  const tenantId = chosenTenant(answered)
  const chosen = chosenLimits(answered, deps.now())
  if (chosen.faults) {
    const again = { fields: readLimitFields(form), faults: chosen.faults, tenantId }
    return question(c, typed, asked, { again }, deps)
  }
  const decided = await decide(typed, true, deps)
  const consent = await agree(answered, tenantId, chosen, deps)
  await letIn(decided, asked, consent, session, deps)
  return done(c, true, deps)
}

const done = (c: PageContext, approved: boolean, deps: Deps): Response =>
  answerPage(c, <DeviceDonePage approved={approved} account={`${basePath(deps)}/account`} />)

/** `GET /device`. A link fills the field in, and does nothing else. */
export const deviceEndpoint = (deps: Deps): Handler<Env> =>
  async function deviceEndpoint(c) {
    const userCode = readUserCode(c.req.query('user_code') ?? '')
    const session = await deps.people.sessionOf(c.req.raw)
    if (!session || session.person.disabled) return toSignIn(c, userCode, deps)
    const typed = userCode === undefined ? undefined : formatUserCode(userCode)
    return askForCode(c, session, { typed }, deps)
  }

/** `POST /device`: first the code, then the answer. */
export const postDeviceEndpoint = (deps: Deps): Handler<Env> =>
  async function postDeviceEndpoint(c) {
    const { form } = c.var
    const text = form.get('user_code') ?? ''
    const userCode = readUserCode(text)
    const session = await deps.people.sessionOf(c.req.raw)
    if (!session || session.person.disabled) return toSignIn(c, userCode, deps)
    checkFormToken(c, deps.issuer, session.id)
    if (userCode === undefined) {
      const fault = texts.device.unknown
      return askForCode(c, session, { typed: text.slice(0, 40), fault }, deps)
    }
    const typed: Typed = { userCode, session }
    const decision = form.get('decision')
    if (decision === undefined) return look(c, typed, deps)
    if (decision === 'allow') return allow(c, typed, deps)
    if (decision !== 'deny') throw malformedConsent('The answer is neither yes nor no.')
    await decide(typed, false, deps)
    return done(c, false, deps)
  }
