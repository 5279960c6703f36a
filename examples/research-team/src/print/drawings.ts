/** The pictures: who lent what to whom, and how much of a budget is gone. */
import type { Paint, Style } from './paint.js'

/** One in a chain, with a line for each thing to know of it. */
export interface Link {
  name: string
  lines: readonly string[]
}

const gap = 9

const widthOf = ({ name, lines }: Link): number =>
  Math.max(...[name, ...lines].map((line) => line.length)) + gap

const arrowTo = (name: string, width: number): string =>
  ` ${'─'.repeat(Math.max(1, width - name.length - 3))}▶ `

const row = (links: readonly Link[], at: number): string =>
  links
    .map((link) => (link.lines[at] ?? '').padEnd(widthOf(link)))
    .join('')
    .trimEnd()

/** `a ──▶ b ──▶ c`, and under each what it may do. */
export const drawChain = (links: readonly Link[], paint: Paint): string[] => {
  const names = links.map((link, index) => {
    const isLast = index === links.length - 1
    const arrow = isLast ? '' : paint('dim', arrowTo(link.name, widthOf(link)))
    return paint('bold', link.name) + arrow
  })
  const height = Math.max(...links.map(({ lines }) => lines.length))
  const rows = Array.from({ length: height }, (_, at) => paint('dim', row(links, at)))
  return [names.join(''), ...rows]
}

const cells = 40

const fillStyle = (share: number): Style => (share >= 1 ? 'red' : 'green')

/** Of a whole, what is used. Amounts in USD. */
export const drawBudget = (spent: number, cap: number, paint: Paint): string => {
  const share = cap === 0 ? 1 : Math.min(1, spent / cap)
  const full = Math.round(cells * share)
  const bar = paint(fillStyle(share), '█'.repeat(full)) + paint('dim', '░'.repeat(cells - full))
  return `${bar}  $${spent.toFixed(2)} of $${cap.toFixed(2)}`
}
