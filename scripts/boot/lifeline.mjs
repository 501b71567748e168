// Loaded before a program that runs under boot.mjs: when boot.mjs is gone, killed outright even, the pipe between
// them closes, and the program gets the SIGTERM that nobody is left to send.
import { Socket } from 'node:net'

const fd = Number(process.env['INFERQ_LIFELINE_FD'])
// Children and threads inherit the --import of this file, but not the pipe.
delete process.env['INFERQ_LIFELINE_FD']
if (fd) {
  const pipe = new Socket({ fd, readable: true, writable: false })
  pipe.once('close', () => process.kill(process.pid, 'SIGTERM'))
  pipe.resume()
  pipe.unref()
}
