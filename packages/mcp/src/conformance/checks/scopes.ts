/** A token that is good, and not for this. */
import { tokenChallenge } from '../challenge.js'
import { type Check, failed, judge, type Outcome, passed, skipped } from '../check.js'
import type { Answer } from '../http.js'
import type { Target, ToolProbe } from '../target.js'
import { needs } from './bad-tokens.js'
import { specs } from './specs.js'
import { callTool, denialIn, hasRun, shownTool, type ToolAnswer } from './tool-calls.js'

const words = (scope: string): string[] => scope.split(' ').filter((word) => word !== '')

/** With all that the server asks for, apart from what the tool needs; or with nothing at all. */
const tokenWithout = async (
  target: Target,
  lacking: readonly string[] | 'all',
): Promise<string | undefined> => {
  const given = await target.supplied('insufficientScope')
  if (given !== undefined || !target.mint) return given
  const { scope } = await target.request()
  const left = lacking === 'all' ? [] : scope.filter((word) => !lacking.includes(word))
  return target.mint({ claims: { scope: left.join(' ') } })
}

const challengeProblems = (answer: Answer, needed: readonly string[]): (string | undefined)[] => {
  const parameters = tokenChallenge(answer.header('www-authenticate'))?.parameters
  const error = parameters?.get('error')
  const scope = words(parameters?.get('scope') ?? '')
  const missing = needed.filter((word) => !scope.includes(word))
  return [
    error === 'insufficient_scope' ? undefined : `error="${error ?? ''}"`,
    scope.length > 0 ? undefined : 'no scope',
    scope.length > 0 && missing.length > 0 ? `scope lacks ${missing.join(' ')}` : undefined,
    parameters?.has('resource_metadata') ? undefined : 'no resource_metadata',
  ]
}

/** The first 403 there is: at the door, or at the tool that was named. */
const refusalFor = async (target: Target, token: string): Promise<Answer | undefined> => {
  const atDoor = await target.call({ token })
  if (atDoor.status >= 400 || !target.tool) return atDoor.status >= 400 ? atDoor : undefined
  const { answer } = await callTool(target, token, target.tool)
  return answer.status >= 400 ? answer : undefined
}

const insufficientScope: Check = {
  id: 'insufficient-scope-403-with-scope',
  title: 'A good token that lacks a scope gets a 403 that names all scopes of the operation.',
  level: 'should',
  spec: specs.scopeChallenge,
  fix: 'Answer 403 with error="insufficient_scope", scope="…" (all that the operation needs) and resource_metadata. A 401 would make clients fetch the same token again.',
  run: async (target) => {
    const token = await tokenWithout(target, 'all')
    if (token === undefined) return needs('insufficientScope')
    const answer = await refusalFor(target, token)
    if (!answer) {
      return skipped(
        target.tool
          ? 'nothing was refused by a status; see per-tool-403'
          : 'a token without scope may open the server; name a tool that needs one (--tool)',
      )
    }
    const { status } = answer
    if (status !== 403) return failed(`status ${status}`)
    return judge(challengeProblems(answer, []), answer.header('www-authenticate') ?? '')
  },
}

const judgeToolRefusal = (call: ToolAnswer, { scope }: ToolProbe): Outcome => {
  const { answer } = call
  if (hasRun(call)) return failed('the tool ran')
  if (answer.status === 403) {
    return judge(challengeProblems(answer, words(scope)), answer.header('www-authenticate') ?? '')
  }
  const named = denialIn(call)?.scope
  if (answer.status === 200 && typeof named === 'string') {
    const missing = words(scope).filter((word) => !words(named).includes(word))
    return judge(
      [missing.length === 0 ? undefined : `the denial lacks ${missing.join(' ')}`],
      `a tool result that is a structured denial, with scope "${named}"`,
    )
  }
  return failed(shownTool(call))
}

const perTool: Check = {
  id: 'per-tool-403',
  title: 'A tool that needs a scope is refused without it, and the answer says which.',
  level: 'should',
  spec: specs.scopeChallenge,
  fix: 'Check the scopes of each tool: answer 403 with the challenge before the tool runs or, where the transport has answered already, a tool result with isError and a structured denial.',
  run: async (target) => {
    const { tool } = target
    if (!tool) return skipped('name a tool that needs a scope (--tool and --tool-scope)')
    const token = await tokenWithout(target, words(tool.scope))
    if (token === undefined) return needs('insufficientScope')
    const allowed = await callTool(target, await target.good(), tool)
    if (!hasRun(allowed)) return failed(`with the scope: ${shownTool(allowed)}`)
    return judgeToolRefusal(await callTool(target, token, tool), tool)
  },
}

const scopeWords: Check = {
  id: 'scope-whole-words',
  title: 'A scope that only looks like the one that is needed does not do.',
  level: 'must',
  spec: specs.errorHandling,
  fix: 'Split scope at its spaces and compare whole words, with regard to case.',
  run: async (target) => {
    const { tool, mint } = target
    if (!tool) return skipped('name a tool that needs a scope (--tool and --tool-scope)')
    if (!mint) return needs(undefined)
    const problems: string[] = []
    for (const change of [`x${tool.scope}`, `${tool.scope}x`, tool.scope.toUpperCase()]) {
      if (change === tool.scope) continue
      const others = (await target.request()).scope.filter(
        (one) => !words(tool.scope).includes(one),
      )
      const token = await mint({ claims: { scope: [...others, change].join(' ') } })
      if (hasRun(await callTool(target, token, tool))) problems.push(`"${change}": the tool ran`)
    }
    return problems.length === 0 ? passed('refused') : failed(problems.join('; '))
  },
}

export const scopeChecks: readonly Check[] = [insufficientScope, perTool, scopeWords]
