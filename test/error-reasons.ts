/** Every `error_detail` that the sources can send, read from the syntax tree. */
import ts from 'typescript'

/** Which argument of a function, by the function's name, is its `reason`. */
export type ReasonArguments = ReadonlyMap<string, number>

type FunctionNode = ts.ArrowFunction | ts.FunctionDeclaration | ts.FunctionExpression

const isFunction = (node: ts.Node): node is FunctionNode =>
  ts.isArrowFunction(node) || ts.isFunctionDeclaration(node) || ts.isFunctionExpression(node)

const nameOf = (node: FunctionNode): string | undefined => {
  if (node.name) return node.name.text
  return ts.isVariableDeclaration(node.parent) && ts.isIdentifier(node.parent.name)
    ? node.parent.name.text
    : undefined
}

const visitAll = (node: ts.Node, visit: (node: ts.Node) => void): void => {
  visit(node)
  ts.forEachChild(node, (child) => visitAll(child, visit))
}

const parse = (text: string): ts.SourceFile =>
  ts.createSourceFile('a.tsx', text, ts.ScriptTarget.ESNext, true)

/** The functions of a file that take a `reason`. */
export const reasonArguments = (text: string): ReasonArguments => {
  const found = new Map<string, number>()
  visitAll(parse(text), (node) => {
    if (!isFunction(node)) return
    const name = nameOf(node)
    const index = node.parameters.findIndex(
      ({ name: parameter }) => parameter.getText() === 'reason',
    )
    if (name !== undefined && index >= 0) found.set(name, index)
  })
  return found
}

type Constants = ReadonlyMap<string, string>

/** `const name = 'text'` */
const constantsOf = (file: ts.SourceFile): Constants => {
  const found = new Map<string, string>()
  visitAll(file, (node) => {
    if (!ts.isVariableDeclaration(node) || !node.initializer) return
    if (ts.isStringLiteral(node.initializer)) found.set(node.name.getText(), node.initializer.text)
  })
  return found
}

/** The texts that an expression can become. Of a template, its longest fixed part. */
const textsOf = (node: ts.Node, constants: Constants): string[] => {
  const both = (one: ts.Node, other: ts.Node) =>
    [one, other].flatMap((part) => textsOf(part, constants))
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return [node.text]
  if (ts.isIdentifier(node)) return [constants.get(node.text) ?? '']
  if (ts.isConditionalExpression(node)) return both(node.whenTrue, node.whenFalse)
  if (ts.isBinaryExpression(node)) return both(node.left, node.right)
  if (ts.isParenthesizedExpression(node)) return textsOf(node.expression, constants)
  if (!ts.isTemplateExpression(node)) return []
  const parts = [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)]
  return parts.toSorted((one, other) => other.length - one.length).slice(0, 1)
}

/** @param elsewhere the functions that the file may have imported */
export const listReasons = (text: string, elsewhere: ReasonArguments): string[] => {
  const functions = new Map([...elsewhere, ...reasonArguments(text)])
  const file = parse(text)
  const constants = constantsOf(file)
  const reasons: string[] = []
  visitAll(file, (node) => {
    if (ts.isPropertyAssignment(node) && node.name.getText() === 'reason') {
      reasons.push(...textsOf(node.initializer, constants))
    }
    if (!ts.isCallExpression(node)) return
    const argument = node.arguments[functions.get(node.expression.getText()) ?? -1]
    if (argument) reasons.push(...textsOf(argument, constants))
  })
  // What is left of `${name}_${reason}` says nothing.
  return reasons.filter((reason) => /[a-z]/.test(reason))
}
