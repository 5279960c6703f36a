/** Tells the story, and keeps the checks: each is made, printed and counted in one place. */
import { inspect, isDeepStrictEqual } from 'node:util'
import { drawBudget, drawChain, type Link } from './drawings.js'
import { createPaint, type Paint } from './paint.js'

/** What a step tells and checks while it runs. */
export interface Teller {
  fact(name: string, value: string): void
  chain(links: readonly Link[]): void
  budget(spent: number, cap: number): void
  /** Right when what came is what was expected, to the last member. */
  check(sentence: string, came: unknown, expected: unknown): void
  /** What went wrong so far, in words. */
  readonly failures: readonly string[]
}

export interface Narrator {
  readonly paint: Paint
  line(text?: string): void
  /** A line with a mark and the time since `begun`. */
  mark(ok: boolean, text: string, begun: number): void
  teller(): Teller
}

const indent = '   '
const timeColumn = 76
const factColumn = 11
const factWidth = 76

const show = (value: unknown): string =>
  typeof value === 'string' ? value : inspect(value, { breakLength: Infinity, depth: 6 })

/** Between words, into lines that are not too long. */
const wrap = (text: string): string[] =>
  text.match(new RegExp(`.{1,${factWidth}}(?= |$)|\\S+`, 'g'))?.map((part) => part.trim()) ?? []

const elapsed = (begun: number): string => {
  const ms = performance.now() - begun
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}

const createTeller = ({ paint, line, mark }: Omit<Narrator, 'teller'>): Teller => {
  const failures: string[] = []
  let begun = performance.now()
  const fail = (sentence: string, came: unknown, expected: unknown): void => {
    failures.push(`${sentence}: expected ${show(expected)}, came ${show(came)}`)
    line(paint('red', `${indent}    expected  ${show(expected)}`))
    line(paint('red', `${indent}    came      ${show(came)}`))
  }
  return {
    failures,
    fact: (name, value) => {
      const [first = '', ...rest] = wrap(value)
      line(`${indent}${paint('dim', name.padEnd(factColumn))}${first}`)
      for (const more of rest) line(`${indent}${' '.repeat(factColumn)}${more}`)
    },
    chain: (links) => {
      line()
      for (const drawn of drawChain(links, paint)) line(`${indent}${drawn}`)
      line()
    },
    budget: (spent, cap) => {
      line()
      line(`${indent}${drawBudget(spent, cap, paint)}`)
      line()
    },
    check: (sentence, came, expected) => {
      const ok = isDeepStrictEqual(came, expected)
      mark(ok, sentence, begun)
      if (!ok) fail(sentence, came, expected)
      begun = performance.now()
    },
  }
}

/** @param stream where the story goes: a terminal, a pipe or a file */
export const createNarrator = (stream: NodeJS.WriteStream): Narrator => {
  const paint = createPaint(stream)
  const line = (text = '') => {
    stream.write(`${text}\n`)
  }
  const mark = (ok: boolean, text: string, begun: number) => {
    const sign = ok ? paint('green', '✔') : paint('red', '✘')
    const time = paint('dim', elapsed(begun).padStart(7))
    line(`${indent}${sign} ${text.padEnd(timeColumn - indent.length - 2)} ${time}`)
  }
  return { paint, line, mark, teller: () => createTeller({ paint, line, mark }) }
}
