/** What a guard offers to put on a server: tools, resources and prompts, with a rule for each. */
import type { Verifier } from '@behalf/verifier'
import { challengedScope, isChallenged } from './access.js'
import { callerIn, type ToolContext } from './auth-info.js'
import { createRunGuarded } from './charged.js'
import { createRegistries } from './interception.js'
import { isListed } from './lists.js'
import { createNotices, type Notices } from './notices.js'
import { createPrompt } from './prompt.js'
import type { GuardPrompt, GuardResource, GuardTool } from './registration.js'
import { isTemplate, type TemplateEntry, type UriTemplateLike } from './registry.js'
import { challengesByItself } from './request-handlers.js'
import { createResource, type ResourceArgs } from './resource.js'
import { createStepUp, type StepUp } from './step-up.js'
import { createTool, type Guarding, type Handle, type IsVerified, noArguments } from './tool.js'
import { type AccessRule, checkRule, type ToolOptions } from './tool-rule.js'
import { track } from './tracking.js'
import { isNobody } from './unknown.js'

// Whichever SDK the types of a call are of, this is what is read of it.
type Options<Args = never> = ToolOptions<Args, never>
type AnyHandle<Args = never> = Handle<Args, never, ToolContext>

export interface Offers {
  tool: GuardTool
  resource: GuardResource
  prompt: GuardPrompt
  stepUp: StepUp
  notices: Notices
}

const misuse = (problem: string): TypeError => new TypeError(`guard: ${problem}`)

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

const checkServer = (server: object): object => {
  if (isObject(server)) return server
  throw misuse('the server must be an McpServer of @modelcontextprotocol.')
}

const checkName = (name: string): string => {
  if (typeof name === 'string' && name !== '' && !isNobody(name)) return name
  throw misuse('what is registered needs a name.')
}

const callOn = (server: object, method: string, args: readonly unknown[]): unknown => {
  const register: unknown = Reflect.get(server, method)
  if (typeof register === 'function') return Reflect.apply(register, server, [...args])
  throw misuse(`the server has no ${method}.`)
}

/** What is the SDK's to know of it. */
const configOf = <Args>(options: Options<Args>): object => {
  const { scope, action, cost, visible, unavailable, ttlSeconds, ...config } = options
  return config
}

/** For the second generation, which asks this before it hands a request on. */
const createScopeChallenge =
  (rule: AccessRule, isVerified: IsVerified) =>
  ({ authInfo }: Pick<ToolContext, 'authInfo'>) => {
    const caller = callerIn({ authInfo })
    if (!isVerified(caller) || !isChallenged(rule, caller)) return undefined
    return { scopes: challengedScope(rule, caller) }
  }

/** Among the fifty tools of a server, the message has to say which. */
const checkNamed = <Args>(name: string, options: Options<Args>): AccessRule => {
  try {
    return checkRule(options)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new TypeError(`guard: "${name}": ${error.message.replace(/^guard: /, '')}`)
  }
}

/** What is the same for all three: the rule, and what this server knows of rules. */
const createPreparing = (isVerified: IsVerified) => {
  const registryOf = createRegistries(isVerified)
  return <Args>(server: object, name: string, options: Options<Args>) => {
    checkName(name)
    const rule: AccessRule = checkNamed(name, options)
    const registry = registryOf(checkServer(server))
    const challenges = challengesByItself(server)
    const scopeChallenge = createScopeChallenge(rule, isVerified)
    const isChallenging = challenges && rule.scope.length > 0
    const config = { ...configOf(options), ...(isChallenging && { scopeChallenge }) }
    return { rule, registry, config, challenges }
  }
}

type Prepare = ReturnType<typeof createPreparing>

type Callback = (...received: unknown[]) => never

const isCallback = (value: unknown): value is Callback => typeof value === 'function'

/**
 * What takes the place of a handler by `update` of the SDK, and is written as the SDK has it: it is
 * called like that, behind the rule that was there before.
 */
const guardLater =
  (make: (handle: AnyHandle) => unknown) =>
  (callback: unknown): unknown => {
    if (!isCallback(callback)) throw misuse('what shall run must be a function.')
    return make((args: unknown, _, context) =>
      args === noArguments ? callback(context) : callback(args, context),
    )
  }

const guardReadingLater =
  (make: (handle: AnyHandle<ResourceArgs>) => unknown) =>
  (callback: unknown): unknown => {
    if (!isCallback(callback)) throw misuse('what shall run must be a function.')
    return make(({ uri, variables }: ResourceArgs, _, context) =>
      variables === noArguments ? callback(uri, context) : callback(uri, variables, context),
    )
  }

interface Making {
  prepare: Prepare
  guarding: Guarding
  stepUp: StepUp
  notices: Notices
}

const offerTool = ({ prepare, guarding, stepUp, notices }: Making) => {
  const make = createTool(guarding)
  return (server: object, name: string, options: Options, schema: unknown, handle: AnyHandle) => {
    const { rule, registry, config, challenges } = prepare(server, name, options)
    const whole = { ...config, ...(schema !== undefined && { inputSchema: schema }) }
    const registered = callOn(server, 'registerTool', [name, whole, make(options, handle)])
    const guard = guardLater((later) => make(options, later))
    const named = (key: string) => notices.note('tools', key, rule)
    track(registered, { map: registry.tools, key: name, value: rule, member: 'name', guard, named })
    if (!challenges) stepUp.note(stepUp.known.tools, name, rule)
    return registered
  }
}

const offerPrompt = ({ prepare, guarding, stepUp, notices }: Making) => {
  const make = createPrompt(guarding)
  return (server: object, name: string, options: Options, schema: unknown, handle: AnyHandle) => {
    const { rule, registry, config, challenges } = prepare(server, name, options)
    const whole = { ...config, ...(schema !== undefined && { argsSchema: schema }) }
    const registered = callOn(server, 'registerPrompt', [name, whole, make(options, handle)])
    const guard = guardLater((later) => make(options, later))
    const named = (key: string) => notices.note('prompts', key, rule)
    const map = registry.prompts
    track(registered, { map, key: name, value: rule, member: 'name', guard, named })
    if (!challenges) stepUp.note(stepUp.known.prompts, name, rule)
    return registered
  }
}

/**
 * The same template, whose list is made for those alone who see the template: what is in it need not fit
 * the template, and would be of no rule.
 */
const listingFor = (
  template: UriTemplateLike,
  rule: AccessRule,
  isVerified: IsVerified,
): UriTemplateLike => {
  const list: unknown = Reflect.get(template, 'listCallback')
  if (typeof list !== 'function') return template
  const value = (context: ToolContext, ...rest: readonly unknown[]): unknown => {
    const caller = callerIn(context)
    const isShown = isListed(rule, isVerified(caller) ? caller : undefined)
    return isShown ? Reflect.apply(list, template, [context, ...rest]) : { resources: [] }
  }
  return Object.create(template, { listCallback: { value } })
}

type ResourceOffer = [
  server: object,
  name: string,
  uri: string | UriTemplateLike,
  options: Options<ResourceArgs>,
  handle: AnyHandle<ResourceArgs>,
]

const offerResource = ({ prepare, guarding, stepUp, notices }: Making) => {
  const make = createResource(guarding)
  return (...[server, name, uri, options, handle]: ResourceOffer) => {
    const { rule, registry, config, challenges } = prepare(server, name, options)
    const read = make(options, handle)
    const shown = (template: UriTemplateLike) => listingFor(template, rule, guarding.isVerified)
    const place = typeof uri === 'string' ? uri : shown(uri)
    const registered = callOn(server, 'registerResource', [name, place, config, read])
    const guard = guardReadingLater((later) => make(options, later))
    if (typeof uri === 'string') {
      const named = (key: string) => notices.note('resources', key, rule)
      const map = registry.resources
      track(registered, { map, key: uri, value: rule, member: 'uri', guard, named })
      if (!challenges) stepUp.note(stepUp.known.resources, uri, rule)
    } else {
      const entry: TemplateEntry = { rule, template: uri }
      const follow = (changes: object): object => {
        const template: unknown = Reflect.get(changes, 'template')
        if (!isTemplate(template)) return {}
        entry.template = template
        return { template: shown(template) }
      }
      const map = registry.templates
      const named = (key: string) => notices.noteTemplate(key, entry)
      track(registered, { map, key: name, value: entry, member: 'name', guard, named, follow })
      if (!challenges) stepUp.noteTemplate(name, entry)
    }
    return registered
  }
}

/** Two of a kind: with the options first it makes a handler, with a server first it registers it. */
const overload =
  (make: unknown, offer: unknown): unknown =>
  (...received: readonly unknown[]) =>
    Reflect.apply((received.length > 2 ? offer : make) as () => unknown, undefined, [...received])

/** @param server who this is, for challenges */
export const createOffers = (
  {
    verifier,
    isVerified,
  }: { verifier: Pick<Verifier, 'chargeWithReceipt'>; isVerified: IsVerified },
  server: { resourceMetadataUrl: string },
): Offers => {
  const guarding = { run: createRunGuarded(verifier), isVerified }
  const stepUp = createStepUp(isVerified, server)
  const notices = createNotices()
  const making = { prepare: createPreparing(isVerified), guarding, stepUp, notices }
  return {
    tool: overload(createTool(guarding), offerTool(making)) as GuardTool,
    resource: overload(createResource(guarding), offerResource(making)) as GuardResource,
    prompt: overload(createPrompt(guarding), offerPrompt(making)) as GuardPrompt,
    stepUp,
    notices,
  }
}
