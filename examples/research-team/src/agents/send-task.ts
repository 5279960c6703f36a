/** One agent asks another: a POST, and the reports that come back. */
import { type TaskMessage, type TaskReport, taskReports } from './task-message.js'

export const sendTask = async (url: string, message: TaskMessage): Promise<TaskReport[]> => {
  const response = await fetch(new URL('/tasks', url), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(message),
    signal: AbortSignal.timeout(15_000),
  })
  if (response.ok) return taskReports.parse(await response.json())
  throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
}
