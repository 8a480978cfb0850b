"""One primitive for work that must not happen in the app: a child process that is called, watched and ended."""
