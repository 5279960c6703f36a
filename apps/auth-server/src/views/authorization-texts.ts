/** The words of the consent page and of the page about what may act for somebody. */

export const consent = {
  agentTitle: (name: string) => `${name} wants to act for you`,
  appTitle: (name: string) => `${name} wants to use your account`,
  signedInAs: 'You are signed in as',
  goesTo: 'The answer goes to',
  unverified: 'The name is what the application calls itself. Go on only if you know this address.',
  loopback:
    'This address is on your own computer. Any program there can claim to be this application: go on only if you have just started it yourself.',
  mayDo: 'What it may do',
  atResource: (resource: string) => `At ${resource}`,
  aboutYou: 'About you',
  nothingNamed: 'Use it, without any right in particular',
  identity: {
    openid: 'Know that it is you',
    profile: 'See your name and picture',
    email: 'See your email address',
    offline_access: 'Stay connected while you are away',
  },
  organization: 'As a member of',
  limits: 'Your limits',
  cap: 'It may spend, in USD',
  capHint: (most: string | undefined, spent: string | undefined) =>
    [
      'All together, until you take it back. With 0 it may spend nothing.',
      ...(most === undefined ? [] : [`At most ${most}.`]),
      ...(spent === undefined ? [] : [`So far it has spent ${spent}, which counts.`]),
    ].join(' '),
  capFault: 'Write an amount such as 2 or 2.50.',
  requests: 'Requests in an hour',
  requestsHint: 'Leave it empty to set no limit of your own.',
  requestsFault: 'Write a whole number, or nothing.',
  expiry: 'It may act for you for',
  expiryFault: 'Choose one of these.',
  days: (days: string) => (days === '1' ? 'one day' : `${days} days`),
  delegate: 'It may ask others for help',
  delegateHint:
    'Other agents and services may then act for you through it: with less, and within the same limits.',
  allow: 'Allow',
  deny: 'Do not allow',
  takeBack: 'You can take this back at any time, on your account page.',
}

export const account = {
  title: 'What may act for you',
  nobody: 'Nothing may act for you at the moment.',
  as: 'As a member of',
  may: 'It may',
  at: 'At',
  since: 'Since',
  until: 'Until',
  untilRevoked: 'you take it back',
  spent: 'Spent so far',
  ofCap: (spent: string, cap: string) => `${spent} of ${cap} USD`,
  noCap: (spent: string) => `${spent} USD`,
  requests: 'Requests in an hour',
  connections: 'Acting now',
  connection: (actor: string, chain: string | undefined) =>
    chain === undefined ? actor : `${actor}, asked by ${chain}`,
  lastUsed: (when: string) => `last used ${when}`,
  neverUsed: 'not used yet',
  stop: 'Stop',
  revoke: (name: string) => `Take back everything from ${name}`,
  done: 'Taken back. It ends everywhere within seconds.',
  gone: 'That was over already.',
}
