import { Agent, createServer, request as send } from 'node:http'

/** A trivial proxy, as a floor for what any gateway in Node costs. Serves until the process ends. */
export function servePassThrough(port: number, upstreamUrl: string): void {
  const { hostname, port: upstreamPort } = new URL(upstreamUrl)
  const agent = new Agent({ keepAlive: true })
  const server = createServer((request, response) => {
    const { method, url: path, headers } = request
    const upstream = send({ agent, hostname, port: upstreamPort, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      // Piping alone would leave the client of an answer that breaks off waiting for the rest.
      answer.once('error', () => response.destroy())
      answer.pipe(response)
    })
    upstream.on('error', () => response.destroy())
    response.on('close', () => upstream.destroy())
    request.pipe(upstream)
  })
  server.listen(port, '127.0.0.1')
}
