import { expect, test } from 'vitest'
import { hashAhead } from './hash-ahead.js'
import { createPasswords } from './passwords.js'

const quick = { ln: 4, r: 8, p: 1 }

test('a password fits its own hash, in any spelling of its letters, and no other', async () => {
  const { hash, verify } = createPasswords(quick)
  const made = await hash('caf\u00e9 au lait')
  expect(made).toMatch(/^\$scrypt\$ln=4,r=8,p=1\$[\w-]{22}\$[\w-]{43}$/)
  expect(await hash('caf\u00e9 au lait')).not.toBe(made)
  expect(await verify(made, 'cafe\u0301 au lait')).toBe(true)
  expect(await verify(made, 'cafe au lait')).toBe(false)
  expect(await createPasswords().verify(made, 'caf\u00e9 au lait')).toBe(true)
})

test.each(['', 'plain', '$scrypt$ln=4$a$b', '$2b$10$abcdefghijk'])(
  'what is no hash of ours fits nothing: %j',
  async (text) => {
    expect(await createPasswords(quick).verify(text, text)).toBe(false)
  },
)

test('a hash made ahead is the one that is used, and only for its own password', async () => {
  let hashes = 0
  const passwords = createPasswords(quick)
  const counting = hashAhead({
    ...passwords,
    hash: (password) => {
      hashes += 1
      return passwords.hash(password)
    },
  })
  await counting.ahead('the new one', async () => {
    await counting.hash('the new one')
    expect(hashes).toBe(1)
    await counting.hash('another one')
    expect(hashes).toBe(2)
  })
})

test('what should happen after the hash does not when the queue is full', async () => {
  const full = hashAhead({
    hash: () => Promise.reject(new Error('busy')),
    verify: () => Promise.resolve(false),
  })
  let ran = false
  const run = async () => {
    ran = true
  }
  await expect(full.ahead('the new one', run)).rejects.toThrow('busy')
  expect(ran).toBe(false)
})

test.each([
  [1, 18],
  [4, 9],
])('of many at once, one of %i workers takes or keeps waiting %i', async (workers, most) => {
  const { hash } = createPasswords(quick, workers)
  const made = await Promise.allSettled(Array.from({ length: 30 }, () => hash('a password')))
  expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(most)
})
