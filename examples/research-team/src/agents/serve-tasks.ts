/** An agent's own door: `POST /tasks` on a free port of this machine. */
import type { AddressInfo } from 'node:net'
import express, { type ErrorRequestHandler } from 'express'
import { ZodError } from 'zod'
import { type TaskMessage, type TaskReport, taskMessage } from './task-message.js'

const onError: ErrorRequestHandler = (error, _request, response, _next) => {
  console.error(error)
  const status = error instanceof ZodError ? 400 : 500
  response.status(status).json({ error: error instanceof Error ? error.message : 'failed' })
}

export const serveTasks = (answer: (message: TaskMessage) => Promise<TaskReport[]>): void => {
  const app = express()
  app.post('/tasks', express.json(), async (request, response) => {
    response.json(await answer(taskMessage.parse(request.body)))
  })
  app.use(onError)
  const server = app.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    console.log(`listening on http://127.0.0.1:${port}`)
  })
}
