import { family, local } from './build.ts'
import type { ProviderFamily } from './family.ts'

/** Servers in the house. Ports are those that the servers listen on when nobody says otherwise. */
export const localFamilies: readonly ProviderFamily[] = [
  {
    ...family('vllm', ['VLLM_API_KEY', 'HOSTED_VLLM_API_KEY'], {
      prefixes: ['hosted_vllm'],
      baseVariables: ['VLLM_BASE_URL', 'HOSTED_VLLM_API_BASE'],
      // https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
      quirks: { continues: 'continue_final_message' },
    }),
    wire: 'vllm',
    needsKey: false,
    isLocal: true,
  },
  {
    ...family('ollama', ['OLLAMA_API_KEY'], {
      prefixes: ['ollama_chat'],
      baseVariables: ['OLLAMA_BASE_URL', 'OLLAMA_API_BASE'],
      quirks: { continues: 'trailing_message' },
    }),
    wire: 'ollama',
    baseUrl: 'http://127.0.0.1:11434',
    needsKey: false,
    isLocal: true,
  },
  local('lm_studio', 'http://127.0.0.1:1234/v1', ['LM_STUDIO_API_KEY'], { baseVariables: ['LM_STUDIO_API_BASE'] }),
  local('llama_cpp', 'http://127.0.0.1:8080/v1', ['LLAMA_CPP_API_KEY'], {
    prefixes: ['llamacpp', 'llama.cpp'],
    baseVariables: ['LLAMA_CPP_API_BASE'],
  }),
  local('llamafile', 'http://127.0.0.1:8080/v1', ['LLAMAFILE_API_KEY'], { baseVariables: ['LLAMAFILE_API_BASE'] }),
  // On whatever port the operator chose.
  local('tgi', undefined, ['TGI_API_KEY'], { baseVariables: ['TGI_API_BASE'] }),
  local('sglang', 'http://127.0.0.1:30000/v1', ['SGLANG_API_KEY'], { baseVariables: ['SGLANG_API_BASE'] }),
  local('xinference', 'http://127.0.0.1:9997/v1', ['XINFERENCE_API_KEY'], { baseVariables: ['XINFERENCE_API_BASE'] }),
  local('docker_model_runner', 'http://127.0.0.1:22088/engines/llama.cpp/v1', ['DOCKER_MODEL_RUNNER_API_KEY'], {
    baseVariables: ['DOCKER_MODEL_RUNNER_API_BASE'],
  }),
  local('lemonade', 'http://127.0.0.1:8000/api/v1', ['LEMONADE_API_KEY'], { baseVariables: ['LEMONADE_API_BASE'] }),
  local('oobabooga', 'http://127.0.0.1:5000/v1', ['OOBABOOGA_API_KEY'], { baseVariables: ['OOBABOOGA_API_BASE'] }),
]
