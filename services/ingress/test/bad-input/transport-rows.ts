import { chat } from './openai-rows.ts'
import { type BadRow, deepJson } from './rows.ts'

const path = '/v1/chat/completions'
/** A chat in which one text is replaced by this JSON. */
const withContent = (json: string): string => `{"model":"chat","messages":[{"role":"user","content":${json}}]}`
const withField = (json: string): string =>
  `{"model":"chat","messages":[{"role":"user","content":"Hi"}],"extra":${json}}`
const content = 'messages[0].content'

type TextRow = readonly [what: string, text: string | Uint8Array<ArrayBuffer>, param: string | null, code: string]

const texts: readonly TextRow[] = [
  ['half a JSON', '{"model": "chat", "messages": [', null, 'invalid_json'],
  ['JSON and more', `${JSON.stringify(chat)} x`, null, 'invalid_json'],
  ['JSON with a comment', `// hi\n${JSON.stringify(chat)}`, null, 'invalid_json'],
  ['JSON with a comma too many', '{"model":"chat",}', null, 'invalid_json'],
  ['NaN', withField('NaN'), null, 'invalid_json'],
  ['single quotes', "{'model':'chat'}", null, 'invalid_json'],
  ['nothing', '', null, 'invalid_value'],
  ['blanks', '   ', null, 'invalid_json'],
  ['null', 'null', null, 'invalid_value'],
  ['true', 'true', null, 'invalid_value'],
  ['a number', '5', null, 'invalid_value'],
  ['a text', '"chat"', null, 'invalid_value'],
  ['a list', '[]', null, 'invalid_value'],
  ['a prototype', withField('{"__proto__":{"a":1}}'), null, 'invalid_json'],
  ['a prototype in escapes', withField('{"\\u005f_proto__":{"a":1}}'), null, 'invalid_json'],
  ['the prototype of a constructor', withField('{"constructor":{"prototype":{}}}'), null, 'invalid_json'],
  ['JSON 101 deep', deepJson(101), null, 'invalid_json'],
  ['JSON 100,000 deep', deepJson(100_000), null, 'invalid_json'],
  ['deep JSON in a field that is passed on', withField(deepJson(100)), null, 'invalid_json'],
  ['half a surrogate pair', withContent('"a\\ud800b"'), content, 'invalid_json'],
  ['the second half of a pair', withContent('"\\uDC00"'), content, 'invalid_json'],
  ['half a pair in a field that is passed on', withField('["\\ud83d"]'), 'extra[0]', 'invalid_json'],
  ['half a pair as a name', withField('{"\\ud83d":1}'), 'extra', 'invalid_json'],
  ['a number out of range', withField('1e400'), 'extra', 'invalid_json'],
  ['a number out of range, below', withField('{"a":[-1e999]}'), 'extra.a[0]', 'invalid_json'],
  ['a control character in a text', withContent('"a\u0000b"'), null, 'invalid_json'],
  ['NUL as a model', '{"model":"\\u0000","messages":[{"role":"user","content":"Hi"}]}', 'model', 'model_not_found'],
  [
    'minus zero as a limit',
    '{"model":"chat","messages":[{"role":"user","content":"Hi"}],"max_tokens":-0}',
    'max_tokens',
    'invalid_value',
  ],
  [
    'a field twice, wrong the second time',
    '{"model":"chat","model":5,"messages":[{"role":"user","content":"Hi"}]}',
    'model',
    'invalid_value',
  ],
  [
    'a text of 1 MB as a role',
    `{"model":"chat","messages":[{"role":"${'x'.repeat(1_000_000)}","content":"Hi"}]}`,
    'messages[0].role',
    'invalid_value',
  ],
  ['a text of 1 MB as a model', JSON.stringify({ ...chat, model: 'x'.repeat(1_000_000) }), 'model', 'invalid_value'],
  [
    '10,001 messages',
    JSON.stringify({ ...chat, messages: new Array(10_001).fill(chat.messages[0]) }),
    'messages',
    'invalid_value',
  ],
  ['UTF-8 that is none', Uint8Array.of(0x22, 0xff, 0xfe, 0x22), null, 'invalid_json'],
  ['UTF-8 that is cut', Uint8Array.of(0x22, 0xf0, 0x9f, 0x98), null, 'invalid_json'],
  ['UTF-16', new Uint8Array(Buffer.from(JSON.stringify(chat), 'utf16le')), null, 'invalid_json'],
]

const types: readonly (readonly [what: string, type: string, text: string])[] = [
  ['plain text', 'text/plain', JSON.stringify(chat)],
  ['XML', 'application/xml', '<model/>'],
  ['a form', 'application/x-www-form-urlencoded', 'model=chat'],
  ['a form in parts', 'multipart/form-data; boundary=x', '--x--'],
  ['a type that is none', 'json', JSON.stringify(chat)],
]

const headers: readonly (readonly [what: string, name: string, value: string])[] = [
  ['an unknown wish for a disconnect', 'x-inferq-on-disconnect', 'explode'],
  ['an empty wish for a disconnect', 'x-inferq-on-disconnect', ''],
  ['an empty Idempotency-Key', 'Idempotency-Key', ''],
  ['an Idempotency-Key that is too long', 'Idempotency-Key', 'k'.repeat(256)],
]

const methods: readonly (readonly [method: string, path: string])[] = [
  ['GET', path],
  ['PUT', path],
  ['DELETE', '/v1/embeddings'],
  ['PATCH', '/v1/jobs'],
  ['DELETE', '/v1/models'],
  ['GET', '/v1/jobs/job_0/cancel'],
]

const nowhere: readonly string[] = [
  '/v1/images',
  '/v1',
  '/nope',
  '/v1/chat/completions/5',
  '/v1/jobs/a/b/c',
  '/..%2f..%2fetc',
]

export const transportRows: readonly BadRow[] = [
  ...texts.map(([what, text, param, code]) => ({
    what: `a body of ${what}`,
    path,
    method: 'POST',
    text,
    headers: { 'content-type': 'application/json' },
    status: code === 'model_not_found' ? 404 : 400,
    param,
    code,
  })),
  {
    what: 'a body too large',
    path,
    json: { ...chat, note: 'x'.repeat(2_000_001) },
    status: 413,
    param: null,
    code: 'payload_too_large',
  },
  ...types.map(([what, type, text]) => ({
    what,
    path,
    method: 'POST',
    text,
    headers: { 'content-type': type },
    status: 415,
    param: null,
    code: 'unsupported_media_type',
  })),
  ...headers.map(([what, param, value]) => ({
    what,
    path,
    json: chat,
    headers: { [param]: value },
    status: 400,
    param,
    code: 'invalid_value',
  })),
  ...methods.map(([method, at]) => ({
    what: `${method} ${at}`,
    path: at,
    method,
    status: 405,
    param: null,
    code: 'method_not_allowed',
  })),
  ...['/v1/jobs/%', '/v1/jobs/%zz', '/v1/jobs/%ff%fe', `/v1/jobs/${'x'.repeat(300)}`].map((at) => ({
    what: `a path that is none: ${at.slice(0, 20)}`,
    path: at,
    status: 400,
    param: null,
    code: 'invalid_value',
  })),
  ...nowhere.map((at) => ({
    what: `POST ${at}`,
    path: at,
    method: 'POST',
    json: {},
    status: 404,
    param: null,
    code: 'route_not_found',
  })),
  {
    what: 'an unknown model',
    path,
    json: { ...chat, model: 'nope' },
    status: 404,
    param: 'model',
    code: 'model_not_found',
  },
  {
    what: 'a model that only embeds',
    path,
    json: { ...chat, model: 'team/embed' },
    status: 400,
    param: 'model',
    code: 'invalid_value',
  },
]
