/**
 * Node's http, without an `import` of it: that reads every export, and among these are getters which load Node's own fetch,
 * some 45 ms of each start.
 */
export const http = process.getBuiltinModule('node:http')
