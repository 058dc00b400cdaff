"""The interceptor: memory for programs that call a model, without changing their calls."""
