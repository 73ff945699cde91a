"""One attempt at one request: chat, rerank and embedding APIs through LiteLLM, llama.cpp in this process, retries."""
