export { type AuthServer, type AuthServerOptions, startAuthServer } from './auth-server.js'
export { type Credentials, createPerson, type Person } from './person.js'
export { closeAll, freePort, listen } from './ports.js'
export { checkByTestKit, type TestKitOptions } from './test-kit.js'
