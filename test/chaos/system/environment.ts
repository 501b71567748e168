/** This process's environment without what would configure an inferq, or a package manager. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const own =
    /^(INFERQ_|LITELLM_|OPENAI_|ANTHROPIC_|OLLAMA_|VLLM_|REDIS_URL|DATABASE_URL|LOG_LEVEL$|PORT$|CONFIG_FILE_PATH|VITEST|NODE_OPTIONS|npm_)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)))
}
