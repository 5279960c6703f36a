/** For `node --import`: lets a program that was written for Node 22 start on Node 20. */
import { register } from 'node:module'

register('./hooks.mjs', import.meta.url)
