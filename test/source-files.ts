/** The sources of every workspace, as the architecture test sees them. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** What one file says that an architecture can care about. */
export interface SourceFile {
  /** From the root of the repository, with slashes. */
  path: string
  text: string
  lines: number
  imports: readonly Import[]
  /** Names that are used as values or types, and `object.member` pairs. */
  names: ReadonlySet<string>
  exportsAll: boolean
  exportsDefault: boolean
}

export interface Import {
  /** As written, except that a relative one is resolved to a path from the root. */
  from: string
  isTypeOnly: boolean
}

const root = fileURLToPath(new URL('..', import.meta.url))

const resolveImport = (importer: string, specifier: string): string =>
  specifier.startsWith('.') ? posix.join(posix.dirname(importer), specifier) : specifier

const isExported = (node: ts.Node, kind: ts.SyntaxKind): boolean =>
  ts.canHaveModifiers(node) &&
  (ts.getModifiers(node) ?? []).some((modifier) => modifier.kind === kind)

const specifierOf = (node: ts.Node): { text: string; isTypeOnly: boolean } | undefined => {
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
    return {
      text: node.moduleSpecifier.text,
      isTypeOnly: node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword,
    }
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
    if (!ts.isStringLiteral(node.moduleSpecifier)) return undefined
    return { text: node.moduleSpecifier.text, isTypeOnly: node.isTypeOnly }
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    const { literal } = node.argument
    return ts.isStringLiteral(literal) ? { text: literal.text, isTypeOnly: true } : undefined
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const [argument] = node.arguments
    return argument && ts.isStringLiteral(argument)
      ? { text: argument.text, isTypeOnly: false }
      : undefined
  }
  return undefined
}

/** A name that stands for something outside: not a member, not a property's key. */
const isFreeName = (node: ts.Identifier): boolean => {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node
  if (ts.isQualifiedName(parent)) return parent.left === node
  const isKey =
    ts.isPropertyAssignment(parent) ||
    ts.isPropertySignature(parent) ||
    ts.isMethodSignature(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isMethodDeclaration(parent) ||
    ts.isBindingElement(parent) ||
    ts.isParameter(parent)
  return !isKey || ('initializer' in parent && parent.initializer === node)
}

export const readSource = (path: string, text: string): SourceFile => {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true)
  const imports: Import[] = []
  const names = new Set<string>()
  let exportsAll = false
  let exportsDefault = false
  const visit = (node: ts.Node): void => {
    const specifier = specifierOf(node)
    if (specifier) {
      const from = resolveImport(path, specifier.text)
      imports.push({ from, isTypeOnly: specifier.isTypeOnly })
    }
    if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
      exportsAll ||= !node.exportClause || ts.isNamespaceExport(node.exportClause)
    }
    exportsDefault ||=
      (ts.isExportAssignment(node) && !node.isExportEquals) ||
      isExported(node, ts.SyntaxKind.DefaultKeyword) ||
      (ts.isExportSpecifier(node) && node.name.text === 'default')
    if (ts.isIdentifier(node) && isFreeName(node)) names.add(node.text)
    if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
      names.add(`${node.expression.text}.${node.name.text}`)
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
  return { path, text, lines, imports, names, exportsAll, exportsDefault }
}

const filesBelow = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length).split(sep).join('/'))
    .filter((path) => !/\/(node_modules|dist)\//.test(path))

/** Every source file of the packages, the apps and the examples. */
export const listSources = (): SourceFile[] =>
  ['packages', 'apps', 'examples']
    .flatMap(filesBelow)
    .filter((path) => /^[^/]+\/[^/]+\/src\//.test(path))
    .map((path) => readSource(path, readFileSync(join(root, path), 'utf8')))
