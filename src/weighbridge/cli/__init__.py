"""One file per subcommand; the only place where parts are wired together."""
