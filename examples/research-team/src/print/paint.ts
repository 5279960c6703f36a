/** Colours, where there is a terminal that wants them. */
import type { WriteStream } from 'node:tty'

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 } as const

export type Style = keyof typeof codes
export type Paint = (style: Style, text: string) => string

const plain: Paint = (_style, text) => text

const ansi: Paint = (style, text) => `\u001b[${codes[style]}m${text}\u001b[0m`

/** Node's own answer: a terminal, no `NO_COLOR`, no dumb `TERM`. */
const hasColors = (stream: Partial<WriteStream>): boolean =>
  stream.isTTY === true && stream.hasColors?.() === true

export const createPaint = (stream: Partial<WriteStream>): Paint =>
  hasColors(stream) ? ansi : plain
